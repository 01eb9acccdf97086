{{/* name and labels: list NAME $ */}}
{{- define "keda.meta" -}}
{{- $root := index . 1 -}}
name: {{ index . 0 }}
labels:
  app.kubernetes.io/name: {{ index . 0 }}
  app.kubernetes.io/component: operator
  app.kubernetes.io/instance: {{ $root.Release.Name }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  app.kubernetes.io/part-of: {{ $root.Values.operator.name }}
  app.kubernetes.io/version: {{ $root.Chart.AppVersion }}
  helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{/* The annotations of the pods. */}}
{{- define "ebb.podAnnotations" -}}
{{- $prometheus := .Values.prometheus.operator }}
{{- $annotations := dict }}
{{- if and $prometheus.enabled (not (or $prometheus.serviceMonitor.enabled $prometheus.podMonitor.enabled)) }}
{{- $_ := set $annotations "prometheus.io/scrape" "true" }}
{{- $_ := set $annotations "prometheus.io/port" (toString $prometheus.port) }}
{{- end }}
{{- if .Values.mesh.annotations }}
{{- $ports := toString .Values.service.portHttpsTarget }}
{{- if .Values.webhooks.enabled }}{{ $ports = printf "%s,%s" $ports (include "ebb.webhookPort" .) }}{{ end }}
{{- $_ := set $annotations "traffic.sidecar.istio.io/excludeInboundPorts" $ports }}
{{- $_ := set $annotations "config.linkerd.io/skip-inbound-ports" $ports }}
{{- end }}
{{- merge (dict) (.Values.podAnnotations.keda | default dict) (.Values.additionalAnnotations | default dict) $annotations | toYaml -}}
{{- end }}

{{/* The replicas prefer different nodes. */}}
{{- define "ebb.antiAffinity" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "ebb.selector" . | nindent 12 }}
{{- end }}

{{/* They spread over nodes and zones where they can. */}}
{{- define "ebb.spread" -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "ebb.selector" $ | nindent 6 }}
{{- end }}
{{- end }}

{{- define "ebb.pod" -}}
serviceAccountName: {{ include "ebb.serviceAccountName" . }}
automountServiceAccountToken: {{ include "ebb.automount" . }}
enableServiceLinks: {{ .Values.enableServiceLinks }}
{{- with include "ebb.priorityClass" . }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.operator.useHostNetwork }}
hostNetwork: true
{{- end }}
{{- if kindIs "bool" .Values.operator.hostUsers }}
hostUsers: {{ .Values.operator.hostUsers }}
{{- end }}
{{- with .Values.operator.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "" (not (empty .Values.operator.useHostNetwork))) }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.operator.dnsConfig | default .Values.global.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
nodeSelector:
  {{- merge (dict) (.Values.operator.nodeSelector | default dict) (.Values.nodeSelector | default dict) (dict "kubernetes.io/os" "linux") | toYaml | nindent 2 }}
{{- with concat (.Values.tolerations | default list) (.Values.operator.tolerations | default list) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  {{- .Values.operator.affinity | default .Values.affinity | default (include "ebb.antiAffinity" . | fromYaml) | toYaml | nindent 2 }}
topologySpreadConstraints:
  {{- .Values.topologySpreadConstraints.operator | default (include "ebb.spread" . | fromYamlArray) | toYaml | nindent 2 }}
{{- with .Values.podSecurityContext.operator }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - {{ include "ebb.container" . | nindent 4 | trim }}
  {{- with .Values.operator.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if or (include "ebb.certificateFiles" .) .Values.volumes.keda.extraVolumes }}
volumes:
  {{- if include "ebb.certificateFiles" . }}
  - name: certificates
    secret: {secretName: {{ .Values.certificates.secretName }}}
  {{- end }}
  {{- with .Values.volumes.keda.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

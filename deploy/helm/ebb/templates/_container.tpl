{{/* The flags of `ebb run`. */}}
{{- define "ebb.arguments" -}}
{{- $values := .Values }}
- run
- --leader-elect=true
{{- with $values.operator.leaderElectionID }}
- --leader-election-id={{ . }}
{{- end }}
- --zap-log-level={{ include "ebb.text" ($values.logging.operator.level | default "info") }}
- --zap-encoder={{ $values.logging.operator.format | default "console" }}
- --zap-time-encoding={{ $values.logging.operator.timeEncoding | default "rfc3339" }}
- --service-name={{ include "ebb.name" . }}
{{- if ne (int $values.service.portHttpsTarget) 6443 }}
- --secure-port={{ $values.service.portHttpsTarget }}
{{- end }}
{{- include "ebb.webhookArguments" . }}
{{- include "ebb.certificateArguments" . }}
{{- if $values.prometheus.operator.enabled }}
- --metrics-bind-address=:{{ $values.prometheus.operator.port }}
{{- else }}
- --enable-prometheus-metrics=false
{{- end }}
{{- with $values.http.idleConnTimeout }}
- --http-idle-conn-timeout={{ include "ebb.text" . }}
{{- end }}
{{- with $values.http.maxIdleConnsPerHost }}
- --http-max-idle-conns-per-host={{ . }}
{{- end }}
{{- range $values.certificates.operator.caDirs }}
- --ca-dir={{ . }}
{{- end }}
{{- range $flag, $value := $values.extraArgs.keda }}
{{- if not (kindIs "invalid" $value) }}
- {{ printf "--%s=%s" $flag (include "ebb.text" $value) | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ebb.webhookArguments" -}}
{{- if not .Values.webhooks.enabled }}
- --webhook-port=0
- --enable-webhook-patching=false
{{- else }}
{{- with .Values.webhooks.port }}
- --webhook-port={{ . }}
{{- end }}
{{- if include "ebb.separateWebhook" . }}
- --webhooks-service-name={{ include "ebb.webhookService" . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ebb.certificateArguments" }}
- --cert-secret-name={{ .Values.certificates.secretName }}
{{- if not (include "ebb.ownCertificates" .) }}
- --enable-cert-rotation=false
{{- end }}
{{- if include "ebb.certificateFiles" . }}
- --cert-dir={{ .Values.certificates.mountPath | default "/certs" }}
{{- end }}
{{- if not (and .Values.metricsServer.enabled .Values.certificates.operator.apiServicePatching) }}
- --enable-apiservice-patching=false
{{- end }}
{{- end }}

{{/* The variables of Ebb. */}}
{{- define "ebb.environment" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
# Where the other replicas find this one while it leads.
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
# Empty: every namespace. Several are separated by commas.
- name: WATCH_NAMESPACE
  value: {{ .Values.watchNamespace | default "" | quote }}
# Empty: every ScaledObject. Else those with these labels, such as "team=a" or "tier in (gold,silver)".
- name: WATCH_LABEL_SELECTOR
  value: {{ .Values.watchLabelSelector | default "" | quote }}
- name: WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH
  value: {{ .Values.watchLabelSelectorForTriggerauth | default "" | quote }}
{{- with .Values.http.timeout }}
- name: KEDA_HTTP_DEFAULT_TIMEOUT
  value: {{ include "ebb.text" . | quote }}
{{- end }}
{{- with .Values.http.minTlsVersion }}
- name: KEDA_HTTP_MIN_TLS_VERSION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.http.tlsCipherList }}
- name: KEDA_HTTP_TLS_CIPHER_LIST
  value: {{ . | quote }}
{{- end }}
{{- if not .Values.http.keepAlive.enabled }}
- name: KEDA_HTTP_DISABLE_KEEP_ALIVE
  value: "true"
{{- end }}
{{- with .Values.service.minTlsVersion }}
- name: KEDA_SERVICE_MIN_TLS_VERSION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.service.tlsCipherList }}
- name: KEDA_SERVICE_TLS_CIPHER_LIST
  value: {{ . | quote }}
{{- end }}
{{- if .Values.permissions.operator.restrict.secret }}
- name: KEDA_RESTRICT_SECRET_ACCESS
  value: "true"
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Whether the values name KEDA's own image, as a file with all of KEDA's values does: "true" or nothing. */}}
{{- define "ebb.namesKeda" -}}
{{- if has .Values.image.keda.repository (list "kedacore/keda" "ghcr.io/kedacore/keda") }}true{{ end -}}
{{- end }}

{{/* Ebb never runs KEDA's image: its default counts as not set, with its registry and its tag. */}}
{{- define "ebb.image" -}}
{{- $image := .Values.image.keda }}
{{- if include "ebb.namesKeda" . }}
{{- $image = dict "registry" (ternary "" $image.registry (eq "ghcr.io" (toString $image.registry))) "repository" "ebb" "tag" "" }}
{{- end }}
{{- with .Values.global.image.registry | default $image.registry }}{{ . }}/{{ end -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The container of Ebb. */}}
{{- define "ebb.container" -}}
name: {{ include "ebb.name" . }}
image: {{ include "ebb.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  {{- include "ebb.arguments" . | trim | nindent 2 }}
env:
  {{- include "ebb.environment" . | nindent 2 }}
ports:
  - {name: https, containerPort: {{ .Values.service.portHttpsTarget }}, protocol: TCP}
  {{- if .Values.webhooks.enabled }}
  - {name: webhook, containerPort: {{ include "ebb.webhookPort" . }}, protocol: TCP}
  {{- end }}
  {{- if .Values.prometheus.operator.enabled }}
  - {name: metrics, containerPort: {{ .Values.prometheus.operator.port }}, protocol: TCP}
  {{- end }}
  - {name: health, containerPort: 8081, protocol: TCP}
livenessProbe:
  httpGet: {path: /healthz, port: health}
  {{- with .Values.operator.livenessProbe }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
readinessProbe:
  httpGet: {path: /readyz, port: health}
  {{- with .Values.operator.readinessProbe }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.resources.operator }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext.operator }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or (include "ebb.certificateFiles" .) .Values.volumes.keda.extraVolumeMounts }}
volumeMounts:
  {{- if include "ebb.certificateFiles" . }}
  - {name: certificates, mountPath: {{ .Values.certificates.mountPath | default "/certs" }}, readOnly: true}
  {{- end }}
  {{- with .Values.volumes.keda.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The rights on what belongs to no namespace. */}}
{{- define "ebb.clusterRules" -}}
- apiGroups: [keda.sh]
  resources: [clustertriggerauthentications]
  verbs: [get, list, watch, patch]
- apiGroups: [keda.sh]
  resources: [clustertriggerauthentications/status]
  verbs: [patch]
# The user who asks for an external metric, and whether that user may.
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- if .Values.metricsServer.enabled }}
# Ebb's own APIServices, into which it writes its certificate authority.
- apiGroups: [apiregistration.k8s.io]
  resources: [apiservices]
  resourceNames: [v1beta1.external.metrics.k8s.io, v1alpha1.decisions.ebb.dev]
  verbs: [get, list, watch, patch]
# A standby asks the leader for the decisions, as this account.
- apiGroups: [decisions.ebb.dev]
  resources: [scalingdecisions]
  verbs: [get, list, watch]
- apiGroups: [decisions.ebb.dev]
  resources: [scalingdecisions/readings]
  verbs: [get]
{{- end }}
{{- if .Values.webhooks.enabled }}
# The same for its webhook.
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations]
  resourceNames: [keda-admission]
  verbs: [get, list, watch, update]
{{- end }}
{{- end }}

{{/* Whether Ebb may read targets of any kind: "true" or nothing. */}}
{{- define "ebb.anyTarget" -}}
{{- $any := dict "apiGroup" "*" "kind" "*" }}
{{- if and .Values.rbac.enabledCustomScaledRefKinds (has $any (.Values.rbac.scaledRefKinds | default list)) }}true{{ end -}}
{{- end }}

{{/* How objects are called and found. Those that take a list are given (list $ "component"). */}}

{{/* Short enough for every suffix, and for a pod's own behind it. */}}
{{- define "atomictickets.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "atomictickets.component" -}}
{{- printf "%s-%s" (include "atomictickets.fullname" (index . 0)) (index . 1) -}}
{{- end -}}

{{- define "atomictickets.selectorLabels" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "atomictickets.labels" -}}
{{- $ := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "atomictickets.selectorLabels" . }}
app.kubernetes.io/part-of: atomictickets
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* name, namespace and labels of an object's metadata. */}}
{{- define "atomictickets.metadata" -}}
name: {{ include "atomictickets.component" . }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "atomictickets.labels" . | nindent 2 }}
{{- end -}}

{{/* Begins every key in Redis, and is the name of the schema in PostgreSQL: both may be shared with other releases. */}}
{{- define "atomictickets.keyPrefix" -}}
{{- .Values.keyPrefix | default (include "atomictickets.installation" .) -}}
{{- end -}}

{{- define "atomictickets.ledgerSchema" -}}
{{- .Values.ledgerSchema | default (include "atomictickets.installation" .) -}}
{{- end -}}

{{/* Where the names are too long for PostgreSQL (63 bytes), what was cut off still tells two apart. */}}
{{- define "atomictickets.installation" -}}
{{- $whole := printf "%s-%s" .Release.Namespace .Release.Name -}}
{{- $name := $whole | replace "." "_" -}}
{{- if le (len $whole) 63 -}}
{{- $name -}}
{{- else -}}
{{- printf "%s-%s" ($name | trunc 54) (sha256sum $whole | trunc 8) -}}
{{- end -}}
{{- end -}}

{{- define "atomictickets.apiUrl" -}}
http://{{ include "atomictickets.component" (list . "api") }}:{{ .Values.api.service.port }}
{{- end -}}

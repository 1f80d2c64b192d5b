{{/* Names and labels of objects. Templates that index their argument take (list $ "component"). */}}

{{/* Short enough for every component's suffix and for the suffix of its pods. */}}
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

{{/* The name, namespace and labels of an object. */}}
{{- define "atomictickets.metadata" -}}
name: {{ include "atomictickets.component" . }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "atomictickets.labels" . | nindent 2 }}
{{- end -}}

{{/* The prefix of every key in Redis. Like the schema in PostgreSQL it lets several releases share a server. */}}
{{- define "atomictickets.keyPrefix" -}}
{{- .Values.keyPrefix | default (include "atomictickets.installation" .) -}}
{{- end -}}

{{- define "atomictickets.ledgerSchema" -}}
{{- .Values.ledgerSchema | default (include "atomictickets.installation" .) -}}
{{- end -}}

{{/* At most 63 bytes, as PostgreSQL requires. A longer name is cut, and a hash of the whole keeps it unique. */}}
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

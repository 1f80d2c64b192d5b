{{/* The common parts of pods and containers. Most templates take (list $ "component"). */}}

{{/* The values of a component. The key of `blast-runner` is blastRunner. */}}
{{- define "atomictickets.values" -}}
{{- index (index . 0).Values (index . 1 | camelcase | untitle) | default dict | toYaml -}}
{{- end -}}

{{/* The values in `pods`, overridden by those of the component that are not empty. */}}
{{- define "atomictickets.placement" -}}
{{- $common := (index . 0).Values.pods -}}
{{- $own := include "atomictickets.values" . | fromYaml -}}
{{- range $key := keys $own -}}
{{- /* mergeOverwrite would let an empty default of the component replace the common value. */ -}}
{{- if or (not (hasKey $common $key)) (empty (get $own $key)) -}}
{{- $_ := unset $own $key -}}
{{- end -}}
{{- end -}}
{{- mergeOverwrite (deepCopy $common) $own | toYaml -}}
{{- end -}}

{{- define "atomictickets.podMetadata" -}}
{{- $ := index . 0 -}}
{{- $pod := include "atomictickets.placement" . | fromYaml -}}
{{- $annotations := deepCopy ($pod.podAnnotations | default dict) -}}
{{- if eq (index . 1) "jaeger" -}}
{{- $_ := set $annotations "checksum/config" (include "atomictickets.jaeger.config" $ | sha256sum) -}}
{{- end -}}
labels:
  {{- /* Without the chart's version: an update that does not change a store must not restart it. */}}
  {{- include "atomictickets.selectorLabels" . | nindent 2 }}
  {{- with mergeOverwrite (deepCopy $.Values.commonLabels) ($pod.podLabels | default dict) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The spec of a pod, except its containers, volumes and grace period. */}}
{{- define "atomictickets.pod" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- $pod := include "atomictickets.placement" . | fromYaml -}}
{{- $context := deepCopy $.Values.podSecurityContext -}}
{{- with (include "atomictickets.values" . | fromYaml).user -}}
{{- $context = mergeOverwrite $context (dict "runAsUser" . "runAsGroup" . "fsGroup" .) -}}
{{- end -}}
{{- $callsKubernetes := has $component (list "operator" "tests") -}}
serviceAccountName: {{ include "atomictickets.serviceAccountName" . }}
automountServiceAccountToken: {{ $callsKubernetes }}
enableServiceLinks: false
{{- with $.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $context }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $spread := $pod.topologySpreadConstraints -}}
{{- if and (not $spread) (eq $component "api") -}}
{{- $spread = list (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway") -}}
{{- end -}}
{{- with $spread }}
topologySpreadConstraints:
  {{- range . }}
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "atomictickets.selectorLabels" (list $ $component) | fromYaml)) }}
  {{- list (merge (deepCopy .) $selector) | toYaml | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "atomictickets.serviceAccountName" -}}
{{- $ := index . 0 -}}
{{- if ne (index . 1) "operator" -}}
{{- $.Values.serviceAccount.name | default (ternary (include "atomictickets.fullname" $) "default" $.Values.serviceAccount.create) -}}
{{- else -}}
{{- $.Values.operator.serviceAccount.name | default (include "atomictickets.component" .) -}}
{{- end -}}
{{- end -}}

{{- define "atomictickets.image" -}}
{{- $image := .Values.image -}}
{{- $image.repository -}}
{{- if $image.digest -}}@{{ $image.digest }}{{- else -}}:{{ $image.tag | default .Chart.AppVersion }}{{- end -}}
{{- end -}}

{{- define "atomictickets.securityContext" -}}
{{- with (index . 0).Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes the values of a component. */}}
{{- define "atomictickets.resources" -}}
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A container of the project's own image, except its command, ports and probes. Each component defines its own
     environment variables as `atomictickets.<component>.env`; `extraEnv` overrides them. */}}
{{- define "atomictickets.container" -}}
{{- $ := index . 0 -}}
{{- $values := include "atomictickets.values" . | fromYaml -}}
{{- $env := include "atomictickets.env" . | fromYamlArray -}}
{{- $env = include "atomictickets.overlaid" (list $env $.Values.extraEnv) | fromYamlArray -}}
{{- $env = include "atomictickets.overlaid" (list $env ($values.extraEnv | default list)) | fromYamlArray -}}
image: {{ include "atomictickets.image" $ | quote }}
imagePullPolicy: {{ $.Values.image.pullPolicy }}
{{- include "atomictickets.securityContext" . }}
env:
  {{- toYaml $env | nindent 2 }}
{{- include "atomictickets.resources" $values }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if $.Values.externalCA.name }}
  - name: ca
    mountPath: /etc/atomictickets/ca
    readOnly: true
  {{- end }}
{{- end -}}

{{- define "atomictickets.env" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- range $name, $value := $.Values.settings }}
- name: {{ $name }}
  value: {{ include "atomictickets.text" $value | quote }}
{{- end }}
- name: GATE_KEY_PREFIX
  value: {{ include "atomictickets.keyPrefix" $ | quote }}
{{- include (printf "atomictickets.%s.env" $component) $ }}
{{- if not (has $component (list "migrate" "tests")) }}
{{- include "atomictickets.env.telemetry" . }}
{{- end }}
{{- if and $.Values.externalCA.name (ne $component "tests") }}
- name: SSL_CERT_FILE
  value: /etc/atomictickets/ca/ca.crt
- name: PGSSLROOTCERT
  value: /etc/atomictickets/ca/ca.crt
{{- end }}
{{- end -}}

{{/* (list entries others): both lists; `others` override entries of the same name, because names must be unique. */}}
{{- define "atomictickets.overlaid" -}}
{{- $names := list -}}
{{- range index . 1 -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $kept := list -}}
{{- range index . 0 -}}
{{- if not (has .name $names) -}}
{{- $kept = append $kept . -}}
{{- end -}}
{{- end -}}
{{- concat $kept (index . 1) | toYaml -}}
{{- end -}}

{{/* A value as text. Helm reads numbers from a file as floats, and would render a million as 1e+06. */}}
{{- define "atomictickets.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* For the components that create sales. */}}
{{- define "atomictickets.env.sales" }}
- name: SALE_THINK_MS
  value: {{ .Values.sales.thinkMilliseconds | quote }}
{{- end -}}

{{- define "atomictickets.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if .Values.externalCA.name }}
- name: ca
  secret:
    secretName: {{ .Values.externalCA.name }}
    items:
      - key: {{ .Values.externalCA.key }}
        path: ca.crt
{{- end }}
{{- end -}}

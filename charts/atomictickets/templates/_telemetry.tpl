{{/* The destination and the attributes of traces, as OpenTelemetry's own environment variables. */}}

{{/* The URL of the collector; empty if traces go nowhere. */}}
{{- define "atomictickets.otlpEndpoint" -}}
{{- if .Values.telemetry.endpoint -}}
{{- .Values.telemetry.endpoint -}}
{{- else if .Values.jaeger.enabled -}}
http://{{ include "atomictickets.component" (list . "jaeger") }}:4318
{{- end -}}
{{- end -}}

{{/* (list $ "component"). Kubernetes replaces $(NAME) with the value of a variable that is defined before. */}}
{{- define "atomictickets.env.telemetry" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- $telemetry := $.Values.telemetry -}}
{{- with include "atomictickets.otlpEndpoint" $ }}
{{- $fields := dict "POD_NAME" "metadata.name" "POD_UID" "metadata.uid" "NODE_NAME" "spec.nodeName" }}
{{- range $name, $path := $fields }}
- name: {{ $name }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $path }}
{{- end }}
{{- $attributes := dict
  "service.namespace" (include "atomictickets.fullname" $)
  "service.instance.id" "$(POD_UID)"
  "k8s.namespace.name" $.Release.Namespace
  "k8s.node.name" "$(NODE_NAME)"
  "k8s.pod.name" "$(POD_NAME)"
  "k8s.deployment.name" (include "atomictickets.component" (list $ $component))
  "k8s.container.name" $component }}
{{- $pairs := list }}
{{- range $name, $value := merge (deepCopy $telemetry.resourceAttributes) $attributes }}
{{- $pairs = append $pairs (printf "%s=%s" $name $value) }}
{{- end }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ join "," $pairs | quote }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: http/protobuf
{{- if $telemetry.headers.existingSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ $telemetry.headers.existingSecret.name }}
      key: {{ $telemetry.headers.existingSecret.key }}
{{- end }}
- name: OTEL_TRACES_SAMPLER
  value: {{ $telemetry.sampler }}
{{- if contains "ratio" $telemetry.sampler }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ $telemetry.samplerRatio | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The URL of Jaeger for browsers, for links to traces. */}}
{{- define "atomictickets.env.jaegerUrl" -}}
{{- with .Values.telemetry.jaegerUrl | default (ternary "http://127.0.0.1:16686" "" .Values.jaeger.enabled) }}
- name: ATOMICTICKETS_JAEGER_URL
  value: {{ . | quote }}
{{- end }}
{{- end -}}

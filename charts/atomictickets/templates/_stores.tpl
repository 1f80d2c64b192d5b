{{/* The addresses of the stores, as environment variables of a container. Passwords are variables of their own and not
     part of the URLs, because the chart does not know them and so can't percent-encode them. */}}

{{/* (list $ "valkey"): the password of a bundled store, from the Secret in its values or else from the generated one. */}}
{{- define "atomictickets.storePassword" -}}
{{- $existing := (index (index . 0).Values (index . 1)).auth.existingSecret -}}
secretKeyRef:
  name: {{ $existing.name | default (include "atomictickets.component" .) }}
  key: {{ ternary $existing.key "password" (ne "" $existing.name) }}
{{- end -}}

{{/* (list $ "REDIS" "valkey" "externalRedis"): URL and password of the bundled or the external server. */}}
{{- define "atomictickets.redisUrl" -}}
{{- $ := index . 0 -}}
{{- $variable := index . 1 -}}
{{- $bundled := index . 2 -}}
{{- $external := index $.Values (index . 3) -}}
{{- if (index $.Values $bundled).enabled }}
- name: {{ $variable }}_URL
  value: redis://{{ include "atomictickets.component" (list $ $bundled) }}:6379/0
- name: {{ $variable }}_PASSWORD
  valueFrom:
    {{- include "atomictickets.storePassword" (list $ $bundled) | nindent 4 }}
{{- else }}
- name: {{ $variable }}_URL
  value: {{ $external.url | quote }}
{{- with $external.existingSecret.name }}
- name: {{ $variable }}_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $external.existingSecret.key }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "atomictickets.env.redis" -}}
{{- include "atomictickets.redisUrl" (list . "REDIS" "valkey" "externalRedis") }}
{{- end -}}

{{- define "atomictickets.env.broker" -}}
{{- include "atomictickets.redisUrl" (list . "BROKER" "broker" "externalBroker") }}
{{- end -}}

{{/* The driver reads password and TLS settings from libpq's variables, so neither is part of the URL. */}}
{{- define "atomictickets.env.postgres" -}}
{{- $external := .Values.externalPostgresql }}
- name: LEDGER_SCHEMA_NAME
  value: {{ include "atomictickets.ledgerSchema" . | quote }}
{{- if .Values.postgres.enabled }}
- name: PGPASSWORD
  valueFrom:
    {{- include "atomictickets.storePassword" (list . "postgres") | nindent 4 }}
- name: PGSSLMODE
  value: disable
- name: DATABASE_URL
  value: postgresql+asyncpg://atomictickets@{{ include "atomictickets.component" (list . "postgres") }}:5432/atomictickets
{{- else }}
{{- with $external.existingSecret.name }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $external.existingSecret.key }}
{{- end }}
- name: PGSSLMODE
  value: {{ $external.sslMode }}
- name: DATABASE_URL
  value: {{ printf "postgresql+asyncpg://%s@%s:%d/%s" (urlquery $external.username) $external.host (int $external.port) (urlquery $external.database) | quote }}
{{- end }}
{{- end -}}

{{/* The number of connections to the ledger that all processes may open. Those of API, workers and blast runner count
     twice: during an update all new pods may run before the first old pod has ended, because terminating pods do not count
     towards maxSurge. The operator is counted once, because it ends before the next one starts, and so is the migration.
     An API process has 3 connections beyond LEDGER_POOL_SIZE for the sale poller. The other pools have fixed sizes
     (app/ledger/engine.py, flashsale_operator/stores.py). */}}
{{- define "atomictickets.ledgerConnections" -}}
{{- $pool := int (index .Values.settings "LEDGER_POOL_SIZE" | default 20) -}}
{{- $api := int (ternary .Values.api.autoscaling.maxReplicas .Values.api.replicas .Values.api.autoscaling.enabled) -}}
{{- $workers := int (ternary .Values.operator.maxWorkers (.Values.worker.replicas | default 1) (and .Values.operator.enabled .Values.operator.scaling)) -}}
{{- $operator := add 2 (mul 2 (int (index .Values.settings "OPERATOR_SALES_AT_ONCE" | default 8))) -}}
{{- add (mul 2 (add (mul (add $pool 3) $api) (mul 2 $workers) 1)) $operator 1 -}}
{{- end -}}

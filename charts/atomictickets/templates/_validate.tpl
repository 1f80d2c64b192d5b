{{/* What the schema can't say: values that are fine alone and wrong together. Each is refused with a sentence. */}}

{{- define "atomictickets.validate" -}}
{{- $values := .Values -}}

{{- range $store := list (list "valkey" "externalRedis") (list "broker" "externalBroker") -}}
{{- $bundled := index $store 0 -}}
{{- $name := index $store 1 -}}
{{- $own := index $values $name -}}
{{- if and (index $values $bundled).enabled (or $own.url $own.existingSecret.name) -}}
{{- fail (printf "%s is set, and %s.enabled is true: which of the two? Set %s.enabled=false to use your own." $name $bundled $bundled) -}}
{{- end -}}
{{- if not (or (index $values $bundled).enabled $own.url) -}}
{{- fail (printf "%s.enabled is false: %s.url must say where yours is." $bundled $name) -}}
{{- end -}}
{{- if and $own.url (not (regexMatch "^rediss?([+](sentinel|cluster))?://" $own.url)) -}}
{{- fail (printf "%s.url must begin with redis:// or rediss://, or those with +sentinel or +cluster; it is %q." $name $own.url) -}}
{{- end -}}
{{- if regexMatch "//[^/]*:[^/]*@" $own.url -}}
{{- fail (printf "%s.url has a password in it, which anyone who may read the release could see: put the password into a Secret, and its name into %s.existingSecret.name." $name $name) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "^rediss?[+]cluster://" $values.externalBroker.url -}}
{{- fail "externalBroker.url names a Redis Cluster, which Celery can't use: one server or Sentinels." -}}
{{- end -}}

{{- if and $values.postgres.enabled $values.externalPostgresql.host -}}
{{- fail "externalPostgresql.host is set, and postgres.enabled is true: which of the two? Set postgres.enabled=false to use your own." -}}
{{- end -}}
{{- if not (or $values.postgres.enabled $values.externalPostgresql.host) -}}
{{- fail "postgres.enabled is false: externalPostgresql.host must say where yours is." -}}
{{- end -}}
{{- if and (not $values.postgres.enabled) (hasPrefix "verify-" $values.externalPostgresql.sslMode) (not $values.externalCA.name) -}}
{{- fail (printf "externalPostgresql.sslMode=%s needs externalCA.name: the Secret with the certificate of who signed the server's." $values.externalPostgresql.sslMode) -}}
{{- end -}}

{{- if not $values.secrets.generate -}}
{{- range $component := list "valkey" "broker" "postgres" -}}
{{- $store := index $values $component -}}
{{- if and $store.enabled (not $store.auth.existingSecret.name) -}}
{{- fail (printf "secrets.generate is false: %s.auth.existingSecret.name must name the Secret with its password." $component) -}}
{{- end -}}
{{- end -}}
{{- if not $values.api.adminToken.existingSecret.name -}}
{{- fail "secrets.generate is false: api.adminToken.existingSecret.name must name the Secret with the admin token." -}}
{{- end -}}
{{- end -}}

{{- $leaving := add $values.api.shutdownDelaySeconds $values.api.gracefulSeconds 5 -}}
{{- with $values.api.terminationGracePeriodSeconds -}}
{{- if le (int .) (int $leaving) -}}
{{- fail (printf "api.terminationGracePeriodSeconds is %d: pods would be killed while they finish requests; it must be more than shutdownDelaySeconds + gracefulSeconds + 5 = %d." (int .) (int $leaving)) -}}
{{- end -}}
{{- end -}}
{{- with $values.api.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "api.autoscaling.minReplicas (%d) is more than maxReplicas (%d)." (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- with $values.api.podDisruptionBudget -}}
{{- if and .enabled (not (kindIs "invalid" .minAvailable)) (not (kindIs "invalid" .maxUnavailable)) -}}
{{- fail "api.podDisruptionBudget takes minAvailable or maxUnavailable; set the other to null." -}}
{{- end -}}
{{- end -}}
{{- if and $values.api.service.nodePort (eq $values.api.service.type "ClusterIP") -}}
{{- fail "api.service.nodePort is set, and api.service.type is ClusterIP: set the type to NodePort." -}}
{{- end -}}
{{- if and $values.api.ingress.enabled (not $values.api.ingress.hosts) -}}
{{- fail "api.ingress.enabled needs api.ingress.hosts: without a host it would take every name's requests." -}}
{{- end -}}
{{- if and $values.api.httpRoute.enabled (not $values.api.httpRoute.parentRefs) -}}
{{- fail "api.httpRoute.enabled needs api.httpRoute.parentRefs: the Gateway that the route belongs to." -}}
{{- end -}}

{{- with $values.operator -}}
{{- if and .enabled .scaling (not (kindIs "invalid" $values.worker.replicas)) -}}
{{- fail "worker.replicas is set, and the operator writes the workers' replicas: set operator.minWorkers and operator.maxWorkers, or operator.scaling=false." -}}
{{- end -}}
{{- if and .enabled (gt (int .minWorkers) (int .maxWorkers)) -}}
{{- fail (printf "operator.minWorkers (%d) is more than operator.maxWorkers (%d)." (int .minWorkers) (int .maxWorkers)) -}}
{{- end -}}
{{- if and .enabled (not .serviceAccount.create) (not .serviceAccount.name) -}}
{{- fail "operator.serviceAccount.create is false: operator.serviceAccount.name must name the account." -}}
{{- end -}}
{{- end -}}

{{- $wanted := int (include "atomictickets.ledgerConnections" .) -}}
{{- if and $values.postgres.enabled (gt $wanted (sub (int $values.postgres.maxConnections) 3 | int)) -}}
{{- fail (printf "postgres.maxConnections is %d, and the processes may open %d while an update replaces them (three more are the server's own): raise it, or lower LEDGER_POOL_SIZE in settings, the API's replicas or operator.maxWorkers." (int $values.postgres.maxConnections) $wanted) -}}
{{- end -}}

{{- if and $values.networkPolicies.enabled (not (and $values.valkey.enabled $values.broker.enabled $values.postgres.enabled)) (not $values.networkPolicies.externalStores) -}}
{{- fail "networkPolicies.enabled with a store of your own needs networkPolicies.externalStores: the egress rules that lead to it." -}}
{{- end -}}

{{- if and $values.networkPolicies.enabled $values.telemetry.endpoint (not $values.networkPolicies.telemetry) -}}
{{- fail "networkPolicies.enabled with telemetry.endpoint needs networkPolicies.telemetry: the egress rules that lead to it." -}}
{{- end -}}
{{- end -}}

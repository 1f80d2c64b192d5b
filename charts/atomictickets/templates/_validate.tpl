{{/* Fails the install if values contradict each other, which values.schema.json can't express. */}}

{{- define "atomictickets.validate" -}}
{{- $values := .Values -}}

{{- range $store := list (list "valkey" "externalRedis") (list "broker" "externalBroker") -}}
{{- $bundled := index $store 0 -}}
{{- $name := index $store 1 -}}
{{- $own := index $values $name -}}
{{- if and (index $values $bundled).enabled (or $own.url $own.existingSecret.name) -}}
{{- fail (printf "%s is set, but %s.enabled is true. Set %s.enabled=false to use your own server." $name $bundled $bundled) -}}
{{- end -}}
{{- if not (or (index $values $bundled).enabled $own.url) -}}
{{- fail (printf "%s.enabled is false, so %s.url must name your own server." $bundled $name) -}}
{{- end -}}
{{- if and $own.url (not (regexMatch "^rediss?([+](sentinel|cluster))?://" $own.url)) -}}
{{- fail (printf "%s.url must begin with redis:// or rediss://, with +sentinel or +cluster before the colon if needed; it is %q." $name $own.url) -}}
{{- end -}}
{{- if regexMatch "//[^/]*:[^/]*@" $own.url -}}
{{- fail (printf "%s.url contains a password, which is visible to everybody who may read the release. Put the password into a Secret, and name the Secret in %s.existingSecret.name." $name $name) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "^rediss?[+]cluster://" $values.externalBroker.url -}}
{{- fail "externalBroker.url names a Redis Cluster, which Celery can't use. Use one server or Sentinels." -}}
{{- end -}}

{{- if and $values.postgres.enabled $values.externalPostgresql.host -}}
{{- fail "externalPostgresql.host is set, but postgres.enabled is true. Set postgres.enabled=false to use your own server." -}}
{{- end -}}
{{- if not (or $values.postgres.enabled $values.externalPostgresql.host) -}}
{{- fail "postgres.enabled is false, so externalPostgresql.host must name your own server." -}}
{{- end -}}
{{- if and (not $values.postgres.enabled) (hasPrefix "verify-" $values.externalPostgresql.sslMode) (not $values.externalCA.name) -}}
{{- fail (printf "externalPostgresql.sslMode=%s needs externalCA.name: the Secret with the certificate of the authority that signed the server's." $values.externalPostgresql.sslMode) -}}
{{- end -}}

{{- if not $values.secrets.generate -}}
{{- range $component := list "valkey" "broker" "postgres" -}}
{{- $store := index $values $component -}}
{{- if and $store.enabled (not $store.auth.existingSecret.name) -}}
{{- fail (printf "secrets.generate is false, so %s.auth.existingSecret.name must name the Secret with the password." $component) -}}
{{- end -}}
{{- end -}}
{{- if not $values.api.adminToken.existingSecret.name -}}
{{- fail "secrets.generate is false, so api.adminToken.existingSecret.name must name the Secret with the admin token." -}}
{{- end -}}
{{- end -}}

{{- $shutdownSeconds := add $values.api.shutdownDelaySeconds $values.api.gracefulSeconds 5 -}}
{{- with $values.api.terminationGracePeriodSeconds -}}
{{- if le (int .) (int $shutdownSeconds) -}}
{{- fail (printf "api.terminationGracePeriodSeconds is %d, so pods would be killed while they finish requests; it must be more than shutdownDelaySeconds + gracefulSeconds + 5 = %d." (int .) (int $shutdownSeconds)) -}}
{{- end -}}
{{- end -}}
{{- with $values.api.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "api.autoscaling.minReplicas (%d) is more than maxReplicas (%d)." (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- with $values.api.podDisruptionBudget -}}
{{- if and .enabled (not (kindIs "invalid" .minAvailable)) (not (kindIs "invalid" .maxUnavailable)) -}}
{{- fail "api.podDisruptionBudget takes either minAvailable or maxUnavailable; set the other to null." -}}
{{- end -}}
{{- end -}}
{{- if and $values.api.service.nodePort (eq $values.api.service.type "ClusterIP") -}}
{{- fail "api.service.nodePort is set, but api.service.type is ClusterIP. Set the type to NodePort." -}}
{{- end -}}
{{- if and $values.api.ingress.enabled (not $values.api.ingress.hosts) -}}
{{- fail "api.ingress.enabled needs api.ingress.hosts: without a host the Ingress would match requests for any name." -}}
{{- end -}}
{{- if and $values.api.httpRoute.enabled (not $values.api.httpRoute.parentRefs) -}}
{{- fail "api.httpRoute.enabled needs api.httpRoute.parentRefs: the Gateway that the route belongs to." -}}
{{- end -}}

{{- with $values.operator -}}
{{- if and .enabled .scaling (not (kindIs "invalid" $values.worker.replicas)) -}}
{{- fail "worker.replicas is set, but the operator writes the workers' replicas. Set operator.minWorkers and operator.maxWorkers instead, or operator.scaling=false." -}}
{{- end -}}
{{- if and .enabled (gt (int .minWorkers) (int .maxWorkers)) -}}
{{- fail (printf "operator.minWorkers (%d) is more than operator.maxWorkers (%d)." (int .minWorkers) (int .maxWorkers)) -}}
{{- end -}}
{{- if and .enabled (not .serviceAccount.create) (not .serviceAccount.name) -}}
{{- fail "operator.serviceAccount.create is false, so operator.serviceAccount.name must name the account." -}}
{{- end -}}
{{- end -}}

{{- $connections := int (include "atomictickets.ledgerConnections" .) -}}
{{- if and $values.postgres.enabled (gt $connections (sub (int $values.postgres.maxConnections) 3 | int)) -}}
{{- fail (printf "postgres.maxConnections is %d, and the processes may open %d connections during an update (the server reserves three more). Raise it, or lower LEDGER_POOL_SIZE in settings, the API's replicas or operator.maxWorkers." (int $values.postgres.maxConnections) $connections) -}}
{{- end -}}

{{- if and $values.networkPolicies.enabled (not (and $values.valkey.enabled $values.broker.enabled $values.postgres.enabled)) (not $values.networkPolicies.externalStores) -}}
{{- fail "networkPolicies.enabled with a store of your own needs networkPolicies.externalStores: the egress rules to that store." -}}
{{- end -}}

{{- if and $values.networkPolicies.enabled $values.telemetry.endpoint (not $values.networkPolicies.telemetry) -}}
{{- fail "networkPolicies.enabled with telemetry.endpoint needs networkPolicies.telemetry: the egress rules to the collector." -}}
{{- end -}}
{{- end -}}

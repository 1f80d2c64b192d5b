"""Values that cannot work are refused before anything is installed, with a sentence that names them."""

import pytest

from tests.support.chart import NotRendered, OfflineHelm

OWN_REDIS = ("valkey.enabled=false", "externalRedis.url=redis://stock:6379/0")
OWN_POSTGRES = ("postgres.enabled=false", "externalPostgresql.host=ledger")

SCHEMA = [
    (("api.replica=3",), "additional properties 'replica' not allowed"),
    (("wroker.replicas=3",), "additional properties 'wroker' not allowed"),
    (("api.replicas=0",), "/api/replicas"),
    (("api.replicas=two",), "/api/replicas"),
    (("image.pullPolicy=Sometimes",), "/image/pullPolicy"),
    (("image.digest=abc",), "/image/digest"),
    (("api.service.type=ExternalName",), "/api/service/type"),
    (("api.service.nodePort=8080", "api.service.type=NodePort"), "/api/service/nodePort"),
    (("settings.GATE_BATCH_PURCHASE=1",), "additional properties 'GATE_BATCH_PURCHASE' not allowed"),
    (("settings.GATE_BATCH_PURCHASES=500",), "/settings/GATE_BATCH_PURCHASES"),
    (("settings.LOG_LEVEL=LOUD",), "/settings/LOG_LEVEL"),
    (("settings.API_URL=http://elsewhere",), "additional properties 'API_URL' not allowed"),
    (("settings.SALE_THINK_MS=200",), "additional properties 'SALE_THINK_MS' not allowed"),
    (("sales.thinkMilliseconds=10001",), "/sales/thinkMilliseconds"),
    (("api.resources.limits.memory=lots",), "/api/resources/limits/memory"),
    (("extraEnv[0].name=A", "extraEnv[0].value=1"), "/extraEnv/0/value"),
    (("api.nodeselector.disk=ssd",), "additional properties 'nodeselector' not allowed"),
    (("externalPostgresql.sslMode=on",), "/externalPostgresql/sslMode"),
    (("valkey.maxmemory=lots",), "/valkey/maxmemory"),
    (("keyPrefix=a:b",), "/keyPrefix"),
    (("ledgerSchema=pg_mine",), "/ledgerSchema"),
    (("telemetry.sampler=sometimes",), "/telemetry/sampler"),
    (("telemetry.samplerRatio=2",), "/telemetry/samplerRatio"),
    (("telemetry.endpoint=collector:4318",), "/telemetry/endpoint"),
    (("telemetry.resourceAttributes.tier=a\\,b",), "/telemetry/resourceAttributes/tier"),
    (("jaeger.heapLimit=512Mi",), "/jaeger/heapLimit"),
]
SENTENCES = [
    (("valkey.enabled=false",), "externalRedis.url must name your own server"),
    (("broker.enabled=false",), "externalBroker.url must name your own server"),
    (("postgres.enabled=false",), "externalPostgresql.host must name your own server"),
    (("externalRedis.url=redis://stock:6379/0",), "Set valkey.enabled=false to use your own"),
    (("externalPostgresql.host=ledger",), "Set postgres.enabled=false to use your own"),
    (("externalRedis.existingSecret.name=stock",), "Set valkey.enabled=false to use your own"),
    (("valkey.enabled=false", "externalRedis.url=stock:6379"), "must begin with redis:// or rediss://"),
    (("valkey.enabled=false", "externalRedis.url=redis://:secret@stock:6379/0"), "Put the password into a Secret"),
    (("broker.enabled=false", "externalBroker.url=redis+cluster://hints"), "which Celery can't use"),
    ((*OWN_POSTGRES, "externalPostgresql.sslMode=verify-full"), "needs externalCA.name"),
    (("secrets.generate=false",), "valkey.auth.existingSecret.name must name the Secret"),
    (("api.terminationGracePeriodSeconds=18",), "it must be more than shutdownDelaySeconds + gracefulSeconds + 5 = 18"),
    (("api.autoscaling.enabled=true", "api.autoscaling.minReplicas=9"), "minReplicas (9) is more than maxReplicas (6)"),
    (("api.podDisruptionBudget.minAvailable=1",), "takes either minAvailable or maxUnavailable"),
    (("api.service.nodePort=30080",), "Set the type to NodePort"),
    (("api.ingress.enabled=true",), "needs api.ingress.hosts"),
    (("api.httpRoute.enabled=true",), "needs api.httpRoute.parentRefs"),
    (("worker.replicas=3",), "the operator writes the workers' replicas"),
    (("operator.minWorkers=11",), "operator.minWorkers (11) is more than operator.maxWorkers (10)"),
    (("operator.serviceAccount.create=false",), "operator.serviceAccount.name must name the account"),
    (("api.replicas=20",), "postgres.maxConnections is 400, and the processes may open"),
    ((*OWN_REDIS, "networkPolicies.enabled=true"), "needs networkPolicies.externalStores"),
    (
        ("telemetry.endpoint=http://collector:4318", "networkPolicies.enabled=true"),
        "needs networkPolicies.telemetry",
    ),
]


@pytest.mark.parametrize(("sets", "why"), SCHEMA + SENTENCES)
def test_is_refused(helm: OfflineHelm, sets: tuple[str, ...], why: str) -> None:
    with pytest.raises(NotRendered) as refused:
        helm.render(*sets)
    assert why in str(refused.value)

"""The chart with external stores alone, over verified TLS."""

import pytest

from tests.cluster.kubectl import Kubectl, Refused
from tests.cluster.manifests import flashsale
from tests.cluster.pods import own_stores
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.exactness import assert_exact
from tests.cluster.pods.own_stores import BROKER, LEDGER, PRIMARY, SENTINEL, STOCK, STRANGER, TLS
from tests.cluster.pods.shop import Shop
from tests.support.tls import authority

pytestmark = [pytest.mark.cluster, pytest.mark.pods, pytest.mark.thorough, pytest.mark.timeout(400)]

BY_SENTINEL = f"externalRedis.url=rediss+sentinel://{SENTINEL}:26379/{PRIMARY}"
DIRECTLY = f"externalRedis.url=rediss://{STOCK}:6379/0"
OWN = (
    *("valkey.enabled=false", f"externalRedis.existingSecret.name={STOCK}"),
    *("broker.enabled=false", f"externalBroker.url=rediss://{BROKER}:6379/0"),
    f"externalBroker.existingSecret.name={BROKER}",
    *(
        "postgres.enabled=false",
        f"externalPostgresql.host={LEDGER}",
        f"externalPostgresql.existingSecret.name={LEDGER}",
    ),
    *("externalPostgresql.sslMode=verify-full", f"externalCA.name={TLS}"),
    *("api.replicas=1", "blastRunner.enabled=false", "jaeger.enabled=false"),
    *(f"{each}.resources.requests.cpu=20m" for each in ("api", "worker", "operator")),
)
WITHOUT_TLS = """
    SELECT client_addr FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
    WHERE NOT ssl AND client_addr IS NOT NULL AND state IS DISTINCT FROM 'starting'
"""


@pytest.fixture(scope="module")
def shop(own_namespace: Kubectl, image: str, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    own_stores.set_up(own_namespace, authority(tmp_path_factory.mktemp("ca"), (LEDGER, STOCK, SENTINEL, BROKER)))
    valkey_cli = ("valkey-cli", "-h", STOCK, "--tls", "--cacert", "/tls/ca.crt")
    shop = Shop(own_namespace, image, ledger_pod=LEDGER, stock_pod=STOCK, valkey_cli=valkey_cli)
    shop.install(*OWN, BY_SENTINEL)
    return shop


def test_a_sale_is_sold_exactly_by_sentinel_and_directly(shop: Shop, own_crowd: CrowdPod) -> None:
    assert not shop.kubectl.get("statefulsets")["items"]
    assert "Phase:          Succeeded" in shop.helm.test()
    shop.kubectl.apply(flashsale("by-sentinel", {"stock": 10}), flashsale("lasting", {"stock": 1000}))
    shop.until_open("by-sentinel", "lasting")
    bought = own_crowd.buy(shop.url, "by-sentinel", requests=100)
    assert bought.outcomes == {"accepted": 10, "sold-out": 90}
    assert_exact(shop, "by-sentinel", bought.records)
    before = own_crowd.buy(shop.url, "lasting", requests=100)

    shop.upgrade(*OWN, DIRECTLY)
    after = own_crowd.buy(shop.url, "lasting", requests=100)
    assert before.outcomes == after.outcomes == {"accepted": 100}
    assert_exact(shop, "lasting", [*before.records, *after.records])
    assert shop.rows(WITHOUT_TLS) == []


def test_a_ledger_whose_certificate_lacks_its_name_is_refused(shop: Shop) -> None:
    """The control comes first: with a name from the certificate the same command succeeds."""
    migrate(shop, LEDGER)
    with pytest.raises(Refused, match="SSLCertVerificationError"):
        migrate(shop, STRANGER)


def migrate(shop: Shop, host: str) -> str:
    url = f"DATABASE_URL=postgresql+asyncpg://atomictickets@{host}:5432/atomictickets"
    command = ("env", url, "python", "-m", "app.ledger.migrate", "--wait", "1")
    return shop.kubectl("exec", f"deployment/{shop.name('api')}", "--", *command)

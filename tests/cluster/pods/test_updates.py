"""Updates while buyers come: clients with keep-alive that never retry see not one error."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.ledger.revisions import own_revision
from tests.cluster.helm import HelmRefused
from tests.cluster.manifests import flashsale
from tests.cluster.pods.buyers import SteadyLoad, buyers
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.exactness import assert_exact
from tests.cluster.pods.images import ImageStore, with_migration
from tests.cluster.pods.killer import Killer
from tests.cluster.pods.shop import Shop
from tests.support.until import block_until

pytestmark = [pytest.mark.cluster, pytest.mark.pods, pytest.mark.thorough, pytest.mark.timeout(600)]

EXPAND = '''"""A column more, which nobody needs."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = {head!r}
branch_labels = depends_on = None
min_compatible = {head!r}


def upgrade() -> None:
    {step}


def downgrade() -> None:
    op.drop_column("sales", "of_the_test")
'''
ADD_A_COLUMN = 'op.add_column("sales", sa.Column("of_the_test", sa.Text(), nullable=True))'
FAIL = 'raise RuntimeError("a migration that fails")'


def assert_all_served(shop: Shop, load: SteadyLoad, sale: str) -> None:
    assert (set(load.outcomes()), load.turned_away) == ({"accepted"}, 0), load.outcomes()
    assert_exact(shop, sale, load.records())


@pytest.fixture(scope="session")
def next_image(images: ImageStore, image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the image of a release with one more revision."""
    source = EXPAND.format(head=own_revision(), step=ADD_A_COLUMN)
    images.build("atomictickets:test-next", with_migration(tmp_path_factory.mktemp("next"), image, source))
    return "atomictickets:test-next"


@pytest.fixture(scope="session")
def broken_image(images: ImageStore, image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the image of a release whose migration fails."""
    source = EXPAND.format(head=own_revision(), step=FAIL)
    images.build("atomictickets:test-broken", with_migration(tmp_path_factory.mktemp("broken"), image, source))
    return "atomictickets:test-broken"


def test_three_rolling_updates_lose_no_request(shop: Shop, crowd: CrowdPod, background: ThreadPoolExecutor) -> None:
    with buyers(shop, crowd, background, "rolling") as load:
        for _ in range(3):
            before = {pod["metadata"]["name"] for pod in shop.pods("api")}
            shop.kubectl("rollout", "restart", f"deployment/{shop.name('api')}")
            shop.wait_rolled_out("api")
            assert before.isdisjoint(pod["metadata"]["name"] for pod in shop.pods("api"))
    assert_all_served(shop, load, "rolling")


def test_the_same_buyers_do_see_a_pod_that_dies(
    shop: Shop, crowd: CrowdPod, background: ThreadPoolExecutor, killer: Killer
) -> None:
    """The control of the test above: these buyers do notice a killed pod."""
    with buyers(shop, crowd, background, "dying") as load:
        for pod in shop.pods("api"):
            killer.kill(pod)
            shop.wait_restarted(pod)
    assert load.turned_away + sum(result.errors for result in load.results) > 0


def test_an_upgrade_keeps_workers_passwords_and_the_running_sale(
    shop: Shop, crowd: CrowdPod, background: ThreadPoolExecutor
) -> None:
    shop.kubectl.apply(flashsale("wants-two", {"stock": 10, "workers": {"min": 2, "max": 2}}))
    block_until(lambda: shop.replicas("worker") == 2, seconds=60)
    passwords = shop.passwords()
    with buyers(shop, crowd, background, "upgraded") as load:
        before = shop.kubectl.get("flashsale/upgraded")["status"]
        shop.upgrade("settings.LOG_LEVEL=DEBUG")
        assert shop.replicas("worker") == 2
    assert_all_served(shop, load, "upgraded")
    after = shop.kubectl.get("flashsale/upgraded")["status"]
    assert (after["round"], after["epoch"], after["phase"]) == (before["round"], before["epoch"], "Open")
    assert shop.passwords() == passwords
    shop.kubectl("delete", "flashsale/wants-two")


def test_a_failed_migration_leaves_the_old_release_serving(
    shop: Shop, crowd: CrowdPod, background: ThreadPoolExecutor, broken_image: str
) -> None:
    serving = {pod["metadata"]["name"] for pod in shop.pods("api")}
    with buyers(shop, crowd, background, "unmoved") as load:
        with pytest.raises(HelmRefused):
            shop.helm.upgrade(*shop.sets(broken_image), wait_seconds=15)
        assert serving <= {pod["metadata"]["name"] for pod in shop.pods("api")}
        shop.upgrade()
    assert_all_served(shop, load, "unmoved")


def test_a_rollback_across_a_revision_of_the_schema_loses_no_request(
    shop: Shop, crowd: CrowdPod, background: ThreadPoolExecutor, next_image: str
) -> None:
    with buyers(shop, crowd, background, "revised") as load:
        revision = shop.helm.revision()
        shop.upgrade(image=next_image)
        assert shop.rows("SELECT version_num FROM alembic_version") == [{"version_num": "9999"}]
        shop.helm.rollback(revision, wait_seconds=180)
        assert shop.pods("api")[0]["spec"]["containers"][0]["image"] == shop.image
    assert_all_served(shop, load, "revised")

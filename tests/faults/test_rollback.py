"""A release with a new revision is rolled out and rolled back while buyers come. The ledger keeps the newer schema."""

import asyncio
from pathlib import Path

from app.blasts.load.result import PurchaseRecord
from app.ledger.revisions import own_revision
from tests.faults.consistency import assert_consistent
from tests.fixtures.platform import MakePlatform
from tests.fixtures.releases import MakeRelease
from tests.support.platform import Platform
from tests.support.releases import NEXT, THIS, Release
from tests.support.until import until

CROWD, PER_SECOND = 100, 100  # more per second would keep the new processes from starting


def install(installed: Path, release: Release) -> None:
    installed.unlink(missing_ok=True)
    installed.symlink_to(release.directory)


async def roll_out(platform: Platform, installed: Path, release: Release) -> None:
    """Replace one process after another, as Kubernetes does.

    Each process ends by itself, and the one that replaces it belongs to `release`.
    """
    install(installed, release)
    for name in platform.names:
        await asyncio.to_thread(platform.stop, name)
        platform.start(name)


# This takes 13 s: eight processes end, one after another, and others take their places.
async def test_a_release_is_rolled_back_over_a_revision_in_mid_blast(
    make_platform: MakePlatform, database_url: str, next_release: MakeRelease, tmp_path: Path
) -> None:
    installed = tmp_path / "installed"
    install(installed, THIS)
    platform = await make_platform(api=2, idle=("reconcile",), environment=Release(installed).environment)
    newer = next_release(own_revision(), own_revision())
    sale = await platform.create_sale_of_first_epoch(stock=1_000_000)
    records: list[PurchaseRecord] = []

    async def crowds() -> None:
        while not rolled_back.is_set():
            crowd = await platform.blast(sale, CROWD, concurrency=4, rate=PER_SECOND)
            assert crowd.outcomes == {"accepted": CROWD}
            records.extend(crowd.records)

    async def bought() -> bool:
        return await platform.accepted(sale) > 0

    rolled_back = asyncio.Event()
    buying = asyncio.create_task(crowds())
    await until(bought)
    assert (await asyncio.to_thread(newer.migrate, database_url)).returncode == 0
    await roll_out(platform, installed, newer)
    assert (await asyncio.to_thread(THIS.migrate, database_url)).returncode == 0
    await roll_out(platform, installed, THIS)
    rolled_back.set()
    await buying
    view = await assert_consistent(platform, sale, records)
    assert (view["booked"], view["duplicates"], view["epoch"]) == (len(records), 0, 1)
    (row,) = await platform.rows("SELECT version_num FROM alembic_version")
    assert row.version_num == NEXT

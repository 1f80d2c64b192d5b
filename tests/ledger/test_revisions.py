"""Which release works on which schema. "This release" is the code under test; the other has one more revision."""

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.migrate import alembic_config
from app.ledger.revisions import SchemaBehind, SchemaIncompatible, own_revision
from app.ledger.schema import installation_id
from tests.fixtures.releases import MakeRelease
from tests.support.releases import NEXT, THIS

SCRIPTS = ScriptDirectory.from_config(alembic_config())
REVISIONS = list(SCRIPTS.walk_revisions())


def test_the_newest_script_is_the_one_that_alembic_would_run_last() -> None:
    assert own_revision() == SCRIPTS.get_current_head()


@pytest.mark.parametrize("script", REVISIONS, ids=lambda script: script.revision)
def test_every_revision_says_which_releases_work_on_it(script: object) -> None:
    revision: str = script.revision  # type: ignore[attr-defined]  # Alembic's Script
    min_compatible: str = script.module.min_compatible  # type: ignore[attr-defined]  # the same
    assert revision.isdecimal()
    assert 1 <= int(min_compatible) <= int(revision)


async def test_an_older_release_works_on_a_newer_schema_that_lets_it(
    engine: AsyncEngine, database_url: str, next_release: MakeRelease
) -> None:
    before = await installation_id(engine)
    assert next_release(own_revision(), own_revision()).migrate(database_url).returncode == 0
    assert await installation_id(engine) == before

    rolled_back = THIS.migrate(database_url)  # as `helm rollback` runs it
    assert rolled_back.returncode == 0
    assert "the database is newer than this release, which works on it all the same" in rolled_back.stderr
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == NEXT


async def test_an_older_release_refuses_a_newer_schema_that_does_not_let_it(
    engine: AsyncEngine, database_url: str, next_release: MakeRelease
) -> None:
    assert next_release(own_revision(), NEXT).migrate(database_url).returncode == 0
    with pytest.raises(SchemaIncompatible, match=f"needs a release of revision {NEXT} or newer; this one is of"):
        await installation_id(engine)

    refused = THIS.migrate(database_url)
    assert refused.returncode == 1
    assert f"needs a release of revision {NEXT} or newer" in refused.stderr


async def test_a_release_waits_for_its_own_revision(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(SchemaBehind, match="The ledger's revision is 0001; this release needs"):
        await installation_id(engine)


async def test_the_schema_of_another_program_is_refused(engine: AsyncEngine, database_url: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '1f3c9d'"))
    with pytest.raises(SchemaIncompatible, match="the schema of another application, at revision '1f3c9d'"):
        await installation_id(engine)
    assert THIS.migrate(database_url).returncode == 1


async def test_a_database_that_lost_its_id_is_given_one_by_the_migration(
    engine: AsyncEngine, database_url: str
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM instance"))
    with pytest.raises(SchemaBehind, match="no instance id"):
        await installation_id(engine)
    assert THIS.migrate(database_url).returncode == 0
    assert await installation_id(engine)

"""The revisions build the schema of the models, remove it again, and may be applied by several processes at once."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.lab.stack.servers.postgres import PostgresServer
from app.ledger.availability import LedgerUnavailable
from app.ledger.engine import make_engine
from app.ledger.migrate import alembic_config, migrate
from app.ledger.models import Base
from app.settings import LedgerSettings
from tests.support.project import PROJECT
from tests.support.until import until

KINDS = ("pk", "fk", "ck", "uq", "ix")


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata))


async def tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        return set(found.scalars())


async def test_the_revisions_build_what_the_models_say(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_table_that_is_not_in_the_models_would_be_seen(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("ALTER TABLE sales ADD COLUMN forgotten integer"))
        assert await connection.run_sync(differences) != []


async def test_the_revisions_go_down_and_up_again(database_url: str) -> None:
    engine = make_engine(database_url, "test", LedgerSettings(), pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "base"))
        assert await tables(engine) == {"alembic_version"}
        await migrate(database_url)
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()


async def test_every_constraint_and_index_has_a_name_of_ours(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        found = await connection.execute(
            text("""
                SELECT conrelid::regclass::text AS table_name, conname AS name FROM pg_constraint
                WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
                UNION
                SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public'
            """)
        )
        unnamed = [
            (table, name)
            for table, name in found
            if table != "alembic_version" and not name.startswith(tuple(f"{kind}_{table}" for kind in KINDS))
        ]
    assert unnamed == []


async def test_processes_that_migrate_at_once_all_succeed(empty_database_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.ledger.migrate",
            cwd=PROJECT,
            env=os.environ | {"DATABASE_URL": empty_database_url},
            stderr=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    engine = make_engine(empty_database_url, "test", LedgerSettings(), pool_size=1)
    try:
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM instance"))).scalar_one() == 1
    finally:
        await engine.dispose()


async def older_schema(database_url: str) -> None:
    engine = make_engine(database_url, "migrate", LedgerSettings(), pool_size=1)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "0004"))
    await engine.dispose()


@pytest.mark.parametrize(("lock_seconds", "steps_back"), [(0.2, True), (60.0, False)], ids=["as it is", "patient"])
async def test_a_migration_lets_those_pass_who_sell_meanwhile(
    engine: AsyncEngine,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    lock_seconds: float,
    steps_back: bool,
) -> None:
    """A long transaction uses a table that the migration must change.

    The control is a migration that waits for its lock, and so blocks all other statements.
    """
    monkeypatch.setattr("app.ledger.migrate.LOCK_SECONDS", lock_seconds)
    await older_schema(database_url)
    read = text("SELECT count(*) FROM inventory")
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'")

    async def somebody_waits() -> bool:
        async with engine.connect() as connection:
            return bool(await connection.scalar(waiting))

    async with engine.connect() as long:
        await long.execute(read)
        migrating = asyncio.create_task(migrate(database_url))
        await until(somebody_waits)
        async with engine.connect() as buyer:
            await buyer.execute(text("SET lock_timeout = '10s'" if steps_back else "SET lock_timeout = '1s'"))
            if steps_back:
                await buyer.execute(read)
            else:
                with pytest.raises(DBAPIError, match="lock timeout"):
                    await buyer.execute(read)
        assert not migrating.done()
        await long.rollback()
    await migrating
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_migration_waits_for_its_server_for_the_given_time(
    make_postgres: Callable[..., PostgresServer],
) -> None:
    server = make_postgres()
    server.stop()
    with pytest.raises(LedgerUnavailable):
        await migrate(server.url, wait_seconds=0.01)
    waiting = asyncio.create_task(migrate(server.url, wait_seconds=60))
    await asyncio.to_thread(server.start)
    await waiting
    assert "sales" in server.run_sql("SELECT tablename FROM pg_tables", database="atomictickets")

"""Upgrade the ledger's schema to this release's revision: `python -m app.ledger.migrate [--wait SECONDS]`.

Several processes may run it at once: an advisory lock admits one, and the others find nothing to do. A newer schema on
which this release works is left unchanged, and the migration succeeds, because a release that is rolled back runs it
too.

The older release continues to sell during the migration. A change of a table waits for all transactions that use the
table, and all later transactions on the table wait behind the change. So the migration waits for a lock only briefly;
then it rolls back, lets the others pass, and tries again.
"""

import argparse
import asyncio
import random
import signal
import sys
import time
import uuid

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateSchema

from app.errors import AtomicTicketsError
from app.ledger import revisions
from app.ledger.availability import LOCK_NOT_AVAILABLE, LedgerUnavailable, ledger_reachable
from app.ledger.engine import make_engine
from app.ledger.locks import HOLD
from app.ledger.models import InstanceRow
from app.ledger.revisions import SchemaBehind, compatible_schema, own_revision
from app.settings import LedgerSettings, StoreSettings
from app.telemetry.logs import configure_logs

MIGRATION_TIMEOUT_SECONDS = 600.0
POLL_SECONDS = 1.0
LOCK_SECONDS = 1.0  # the longest that buyers wait; their statements have 3 s
RETRY_PAUSE_SECONDS = (1.0, 3.0)

HAS_SCHEMA = text("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = :name)")

log = structlog.get_logger()


def alembic_config(connection: Connection | None = None) -> Config:
    """Return the configuration with which Alembic finds the revisions, and migrates over `connection`."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(revisions.MIGRATIONS).replace("%", "%%"))  # a % would interpolate
    return config


def own_min_compatible() -> str:
    """Return the oldest release that works on this release's schema, by its revision."""
    scripts = ScriptDirectory.from_config(alembic_config())
    return str(scripts.get_revision(own_revision()).module.min_compatible)


def upgrade(connection: Connection, schema_name: str) -> None:
    """Upgrade the schema under the lock, in the caller's transaction, and create the installation's id once.

    Raise SchemaIncompatible if the schema is newer and this release can't work on it.
    """
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    connection.execute(HOLD, {"lock": "migrate"})
    # IF NOT EXISTS would need the privilege to create schemas even if the schema exists.
    if not connection.execute(HAS_SCHEMA, {"name": schema_name}).scalar_one():
        connection.execute(CreateSchema(schema_name))
    try:
        before = compatible_schema(connection).revision
    except SchemaBehind:
        command.upgrade(alembic_config(connection), "head")
    else:
        if before != own_revision():
            log.warning("the database is newer than this release, which works on it all the same", revision=before)
            return
    instance = insert(InstanceRow).values(singleton=True, id=str(uuid.uuid4()), min_compatible=own_min_compatible())
    connection.execute(
        instance.on_conflict_do_update(
            index_elements=[InstanceRow.singleton], set_={"min_compatible": instance.excluded.min_compatible}
        )
    )
    log.info("schema is up to date", revision=own_revision())


async def migrate(database_url: str, wait_seconds: float = 0.0) -> None:
    """Upgrade the database at `database_url` to this release's revision.

    Raise SchemaIncompatible if the schema is newer and this release can't work on it. Raise LedgerUnavailable if
    `wait_seconds` is not 0 and the server does not answer in that time, or if no lock becomes free within
    MIGRATION_TIMEOUT_SECONDS.
    """
    settings = LedgerSettings(statement_timeout_seconds=MIGRATION_TIMEOUT_SECONDS)
    engine = make_engine(database_url, "migrate", settings)
    try:
        if wait_seconds:
            await _until_reachable(engine, time.monotonic() + wait_seconds)
        give_up_at = time.monotonic() + MIGRATION_TIMEOUT_SECONDS
        while not await _upgraded(engine, settings.schema_name, give_up_at):  # noqa: ASYNC110  another session has the lock
            await asyncio.sleep(random.uniform(*RETRY_PAUSE_SECONDS))  # noqa: S311  not for secrecy
    finally:
        await engine.dispose()


async def _upgraded(engine: AsyncEngine, schema_name: str, give_up_at: float) -> bool:
    """Upgrade the schema. Return False, with nothing changed, if a table or the migration lock is in use."""
    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade, schema_name)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        if time.monotonic() > give_up_at:
            raise LedgerUnavailable(
                "The migration got no lock, because other sessions keep using the tables. Run it again."
            ) from error
        log.info("a table is in use; trying again")
        return False
    return True


async def _until_reachable(engine: AsyncEngine, deadline: float) -> None:
    """Wait for the server. Raise LedgerUnavailable after `deadline`, in seconds of the monotonic clock."""
    logged = False
    while True:
        try:
            with ledger_reachable():
                async with engine.connect():
                    return
        except LedgerUnavailable:
            if time.monotonic() > deadline:
                raise
            if not logged:
                log.info("waiting for the database")
            logged = True
        await asyncio.sleep(POLL_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.ledger.migrate", description="Upgrade the ledger's schema.")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="how long to wait for the server")
    wait_seconds: float = parser.parse_args().wait
    # Without a handler, the first process of a container ignores SIGTERM. Postgres rolls back the open transaction.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    configure_logs(process="migrate")
    try:
        asyncio.run(migrate(StoreSettings().database_url, wait_seconds))
    except AtomicTicketsError as error:
        log.error("the schema was not migrated", reason=error.detail)  # noqa: TRY400  the detail is enough
        sys.exit(1)


if __name__ == "__main__":
    main()

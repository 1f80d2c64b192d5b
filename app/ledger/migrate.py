"""Brings the ledger's schema to this release's revision: `python -m app.ledger.migrate [--wait SECONDS]`.

Several processes may start it at once: an advisory lock lets one work, and the others find nothing to do.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
import uuid
from pathlib import Path

import structlog
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from alembic import command
from app.ledger.availability import LedgerUnavailable, ledger_reachable
from app.ledger.engine import make_engine
from app.ledger.models import InstanceRow
from app.settings import LedgerSettings, StoreSettings
from app.telemetry.logs import configure_logs

MIGRATION_LOCK = 0x41744D69  # any fixed number that nothing else on this database takes
MIGRATION_TIMEOUT_SECONDS = 600.0
LOOK_SECONDS = 1.0

log = structlog.get_logger()


def alembic_config(connection: Connection | None = None) -> Config:
    """The scripts lie beside the packages in a checkout and in the working directory of an image."""
    checkout = Path(__file__).resolve().parents[2] / "alembic.ini"
    config = Config(os.environ.get("ALEMBIC_CONFIG", str(checkout if checkout.exists() else "alembic.ini")))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Upgrades under the lock, in the caller's transaction, and gives the database its instance id once."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    before = MigrationContext.configure(connection).get_current_revision()
    config = alembic_config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if before is not None and before not in known:
        log.warning("the database is newer than this release; left as it is", revision=before)
        return
    command.upgrade(config, revision)
    connection.execute(insert(InstanceRow).values(singleton=True, id=str(uuid.uuid4())).on_conflict_do_nothing())
    log.info("schema is up to date", before=before, after=MigrationContext.configure(connection).get_current_revision())


async def migrate(database_url: str, wait_seconds: float = 0.0) -> None:
    """Upgrades the database at `database_url` to the newest revision this release knows.

    Raises LedgerUnavailable where its server doesn't answer within `wait_seconds`, if any are given.
    """
    engine = make_engine(database_url, "migrate", LedgerSettings(statement_timeout_seconds=MIGRATION_TIMEOUT_SECONDS))
    try:
        if wait_seconds:
            await _until_reachable(engine, time.monotonic() + wait_seconds)
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


async def _until_reachable(engine: AsyncEngine, deadline: float) -> None:
    told = False
    while True:
        try:
            with ledger_reachable():
                async with engine.connect():
                    return
        except LedgerUnavailable:
            if time.monotonic() > deadline:
                raise
            if not told:
                log.info("waiting for the database")
            told = True
        await asyncio.sleep(LOOK_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.ledger.migrate", description="Upgrades the ledger's schema.")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="how long the server may be away")
    wait_seconds: float = parser.parse_args().wait
    # As a container's first process it would ignore SIGTERM otherwise. What was not committed is rolled back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    configure_logs(process="migrate")
    asyncio.run(migrate(StoreSettings().database_url, wait_seconds))


if __name__ == "__main__":
    main()

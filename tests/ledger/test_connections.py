"""Pools that are larger than the server allows are reported before their connections are needed."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.lab.stack.connections import refuse_too_many
from app.lab.stack.process import ProcessFailed
from app.lab.stack.servers.postgres import SETTINGS
from app.ledger.connections import allowed_connections, connection_problems
from app.settings import LedgerSettings

RESERVED = 3  # for superusers: PostgreSQL's default


async def test_what_is_reserved_for_superusers_is_not_to_be_had(engine: AsyncEngine) -> None:
    allowed = await allowed_connections(engine)
    assert allowed == int(SETTINGS["max_connections"]) - RESERVED
    assert await connection_problems(engine, allowed) == []
    (doubt,) = await connection_problems(engine, allowed + 1)
    assert f"up to {allowed + 1} connections" in doubt
    assert f"allows {allowed}" in doubt


def test_a_lab_whose_pools_are_too_large_together_is_refused(database_url: str) -> None:
    room = int(SETTINGS["max_connections"]) - RESERVED
    most = room // LedgerSettings().pool_size
    refuse_too_many(database_url, api_processes=most - 1, workers=2)
    with pytest.raises(ProcessFailed, match=f"{most} API processes and 64 workers, up to"):
        refuse_too_many(database_url, api_processes=most, workers=64)

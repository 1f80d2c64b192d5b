"""What every other test relies on: a database of its own with all revisions, and stores that answer."""

import asyncpg
from redis import Redis


async def tables(database_url: str) -> set[str]:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        return {row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    finally:
        await connection.close()


async def test_a_test_has_a_migrated_database(database_url: str) -> None:
    assert {"alembic_version", "sales", "inventory", "bookings"} <= await tables(database_url)


async def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    assert await tables(empty_database_url) == set()


def test_stock_server_and_broker_are_two_servers(redis_url: str, broker_url: str, key_prefix: str) -> None:
    with Redis.from_url(redis_url) as stock, Redis.from_url(broker_url) as broker:
        stock.set(f"{key_prefix}:ticket", "1")
        assert broker.get(f"{key_prefix}:ticket") is None
        stock.delete(f"{key_prefix}:ticket")

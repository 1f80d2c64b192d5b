"""The fixtures on which all other tests rely: a migrated database for each test, and stores that answer."""

import asyncpg
import pytest
from redis import Redis

from app.lab.stack.servers.postgres import PostgresServer
from tests.support.databases import MigratedDatabases

A_SALE = "INSERT INTO sales (name, strategy) VALUES ('drop', 'naive')"


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


def test_a_database_that_was_used_is_emptied_before_the_next_test_has_it(
    postgres_server: PostgresServer, migrated_databases: MigratedDatabases
) -> None:
    with migrated_databases.borrowed() as used:
        postgres_server.run_sql(A_SALE, database=used)
    with migrated_databases.borrowed() as again:
        assert again == used
        assert postgres_server.run_sql("SELECT count(*) FROM sales", database=again) == "0"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE sales ADD COLUMN colour text",
        "ALTER TABLE sales ALTER COLUMN think_ms SET DEFAULT 1",
        "DROP INDEX ix_sales_removed_at",
        "DROP TABLE witnesses",
        "CREATE SCHEMA another",
        "UPDATE alembic_version SET version_num = '0001'",
        "DELETE FROM instance",
    ],
)
def test_a_database_whose_schema_was_changed_is_not_lent_again(
    change: str, postgres_server: PostgresServer, migrated_databases: MigratedDatabases
) -> None:
    with migrated_databases.borrowed() as changed:
        postgres_server.run_sql(change, database=changed)
    with migrated_databases.borrowed() as other:
        assert other != changed
    assert changed not in postgres_server.run_sql("SELECT datname FROM pg_database")


def test_stock_server_and_broker_are_two_servers(redis_url: str, broker_url: str, key_prefix: str) -> None:
    with Redis.from_url(redis_url) as stock, Redis.from_url(broker_url) as broker:
        stock.set(f"{key_prefix}:ticket", "1")
        assert broker.get(f"{key_prefix}:ticket") is None
        stock.delete(f"{key_prefix}:ticket")

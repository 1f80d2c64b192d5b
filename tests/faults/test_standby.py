"""The pair of PostgreSQL servers that other tests fail over: it loses what it is meant to lose, and nothing else."""

from app.lab.stack.servers.postgres import PostgresServer
from tests.fixtures.standby import MakeLedgerPair
from tests.support.standby import BARRIER
from tests.support.until import block_until


def test_a_promoted_standby_lacks_exactly_the_commits_after_it_was_held_back(make_ledger_pair: MakeLedgerPair) -> None:
    pair = make_ledger_pair()
    write(pair.primary, "CREATE TABLE probe (number integer)")
    write(pair.primary, "INSERT INTO probe SELECT generate_series(1, 100)")
    pair.catch_up()
    pair.hold_back()
    write(pair.primary, "INSERT INTO probe SELECT generate_series(101, 105)")
    pair.fail_over()
    assert not pair.primary.running
    assert write(pair.standby, "SELECT count(*), max(number) FROM probe") == "100|100"
    write(pair.standby, "INSERT INTO probe VALUES (201)")
    assert timeline(pair.standby) == "00000002"


def test_a_pause_of_the_replay_would_lose_nothing(make_ledger_pair: MakeLedgerPair) -> None:
    """The control: the same commits, not yet replayed at the promotion, but received."""
    pair = make_ledger_pair()
    write(pair.primary, "CREATE TABLE probe (number integer)")
    pair.catch_up()
    write(pair.standby, "SELECT pg_wal_replay_pause()")
    write(pair.primary, "INSERT INTO probe SELECT generate_series(1, 5)")
    position = write(pair.primary, BARRIER)
    block_until(lambda: write(pair.standby, f"SELECT pg_last_wal_receive_lsn() >= '{position}'") == "t")
    assert write(pair.standby, "SELECT count(*) FROM probe") == "0"
    pair.fail_over()
    assert write(pair.standby, "SELECT count(*) FROM probe") == "5"


def write(server: PostgresServer, sql: str) -> str:
    return server.run_sql(sql, database=server.database)


def timeline(server: PostgresServer) -> str:
    return server.run_sql("SELECT pg_walfile_name(pg_current_wal_lsn())")[:8]

"""A PostgreSQL primary and its asynchronous streaming standby, which can be promoted without the newest commits.

Both are real servers. A commit does not wait for the standby, as with `synchronous_standby_names` unset, the default.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.lab.stack.process import ProcessFailed
from app.lab.stack.servers.ports import LOOPBACK
from app.lab.stack.servers.postgres import PostgresServer
from tests.support.until import block_until

PROMOTE = "SELECT pg_promote(wait => true, wait_seconds => 30)"
RECEIVING = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
BARRIER = "SELECT pg_logical_emit_message(true, 'barrier', '')"  # returns its position; all earlier commits precede it
HAS_REPLAYED = "SELECT coalesce(pg_last_wal_replay_lsn() >= '{position}', false)"
REPLAYED_ALL = "SELECT pg_last_wal_receive_lsn() IS NULL OR pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn()"


class StandbyServer(PostgresServer):
    """A copy of the primary that `pg_basebackup` makes, and that then follows the primary's log."""

    def __init__(self, home: Path, primary: PostgresServer) -> None:
        super().__init__(home, database=primary.database)
        self._primary = primary

    def _create_cluster(self) -> None:
        unfinished = self.directory / f"unfinished-{os.getpid()}"
        result = self._run(
            "pg_basebackup", "-h", LOOPBACK, "-p", str(self._primary.port), "-U", "postgres", "-D", str(unfinished),
            "--write-recovery-conf", "--checkpoint=fast", as_account=True,
        )  # fmt: skip
        if result.returncode != 0:
            raise ProcessFailed(f"pg_basebackup: {result.stderr.strip()}")
        unfinished.rename(self._data)

    @property
    def receives(self) -> bool:
        return self.run_sql(RECEIVING) == "1"

    def cut_off(self) -> None:
        """Receive nothing more, and return when all that was received is replayed.

        A pause of the replay would lose nothing: a promotion replays what was received.
        """
        self.run_sql("ALTER SYSTEM SET primary_conninfo = ''")
        self.run_sql("SELECT pg_reload_conf()")
        block_until(lambda: not self.receives)
        block_until(lambda: self.run_sql(REPLAYED_ALL) == "t")

    def promote(self) -> None:
        """Return when the server accepts writes, on a timeline of its own."""
        if self.run_sql(PROMOTE) != "t":
            raise ProcessFailed(f"The standby was not promoted:\n{self.log_tail()}")


@dataclass(frozen=True, slots=True)
class LedgerPair:
    """A primary and its standby. `url` names both, as an installation would."""

    primary: PostgresServer
    standby: StandbyServer

    @property
    def url(self) -> str:
        hosts = "&".join(f"host={LOOPBACK}:{server.port}" for server in (self.primary, self.standby))
        return f"postgresql+asyncpg://postgres@/{self.primary.database}?{hosts}"

    def catch_up(self) -> None:
        """Return when the standby has all that is on the primary now."""
        block_until(lambda: self.standby.receives)
        position = self.primary.run_sql(BARRIER)
        block_until(lambda: self.standby.run_sql(HAS_REPLAYED.format(position=position)) == "t")

    def hold_back(self) -> None:
        """From now on no commit on the primary reaches the standby."""
        self.standby.cut_off()

    def fail_over(self) -> None:
        """Kill the primary, and promote the standby."""
        self.primary.kill()
        self.standby.promote()

    def freeze(self) -> None:
        """Stop the primary and its backends by SIGSTOP: connections stay open, new ones too, and nothing answers."""
        postmaster = psutil.Process(self.primary.pid)
        postmaster.suspend()  # first, so that no backend is added meanwhile
        for backend in postmaster.children(recursive=True):
            backend.suspend()

    def thaw(self) -> None:
        """Let the primary go on with what it received before and meanwhile."""
        postmaster = psutil.Process(self.primary.pid)
        for process in (*postmaster.children(recursive=True), postmaster):
            process.resume()

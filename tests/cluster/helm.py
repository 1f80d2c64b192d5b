"""helm as a user runs it, against the same API server as kubectl in these tests."""

import json
import shutil
import subprocess
from dataclasses import dataclass

from tests.cluster.kubectl import Kubectl
from tests.support.chart import CHART

TIMEOUT_SECONDS = 60
MARGIN_SECONDS = 30


class HelmRefused(Exception):
    """helm failed. The message is what it printed."""


@dataclass(frozen=True, slots=True)
class Helm:
    """One release, in kubectl's namespace. `always` are values that each install and upgrade of it sets."""

    kubectl: Kubectl
    release: str = "atomictickets"
    always: tuple[str, ...] = ()

    @property
    def program(self) -> str | None:
        return shutil.which("helm", path=self.kubectl.environment["PATH"])

    def install(self, *sets: str, wait_seconds: int = 0, take_ownership: bool = False) -> str:
        """Install the release and return helm's output.

        With `wait_seconds`, return when all pods are ready and all Jobs are done, and raise HelmRefused if that takes
        longer.
        """
        flags = ("--take-ownership", "--force-conflicts") if take_ownership else ()
        return self._chart("install", *sets, flags=flags, wait_seconds=wait_seconds)

    def upgrade(self, *sets: str, wait_seconds: int = 0) -> str:
        return self._chart("upgrade", *sets, wait_seconds=wait_seconds)

    def template(self, *sets: str) -> str:
        """Return the manifests that an install would apply, without asking a cluster."""
        return self._chart("template", *sets, wait_seconds=0)

    def uninstall(self) -> str:
        return self._run("uninstall", self.release, "--wait", "--timeout=60s", wait_seconds=60)

    def rollback(self, revision: int, wait_seconds: int = 0) -> str:
        return self._run("rollback", self.release, str(revision), *waiting(wait_seconds), wait_seconds=wait_seconds)

    def revision(self) -> int:
        """Return the number of the newest revision."""
        return int(json.loads(self._run("history", self.release, "--output=json", "--max=1"))[0]["revision"])

    def test(self) -> str:
        return self._run("test", self.release, "--timeout=90s", wait_seconds=90)

    def _chart(self, verb: str, *sets: str, wait_seconds: int, flags: tuple[str, ...] = ()) -> str:
        options = [*flags, *(part for each in (*self.always, *sets) for part in ("--set", each))]
        return self._run(verb, self.release, str(CHART), *options, *waiting(wait_seconds), wait_seconds=wait_seconds)

    def _run(self, *arguments: str, wait_seconds: int = 0) -> str:
        """Run helm and return its output. Raise HelmRefused if it fails."""
        done = subprocess.run(
            [self.program or "helm", "--namespace", self.kubectl.namespace, *arguments],
            env=self.kubectl.environment,
            capture_output=True,
            text=True,
            timeout=max(TIMEOUT_SECONDS, wait_seconds + MARGIN_SECONDS),
            check=False,
        )
        if done.returncode:
            raise HelmRefused(done.stderr.strip())
        return done.stdout


def waiting(seconds: int) -> tuple[str, ...]:
    return ("--wait", "--wait-for-jobs", f"--timeout={seconds}s") if seconds else ()

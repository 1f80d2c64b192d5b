"""helm as a user runs it, against the API server that kubectl of these tests knows."""

import shutil
import subprocess
from dataclasses import dataclass

from tests.chart.render import CHART
from tests.cluster.kubectl import Kubectl

TIMEOUT_SECONDS = 60


class HelmRefused(Exception):
    """helm failed; its words are the message."""


@dataclass(frozen=True, slots=True)
class Helm:
    """One release, in kubectl's namespace."""

    kubectl: Kubectl
    release: str = "atomictickets"

    @property
    def program(self) -> str | None:
        return shutil.which("helm", path=self.kubectl.environment["PATH"])

    def install(self, *sets: str) -> str:
        return self._chart("install", *sets)

    def upgrade(self, *sets: str) -> str:
        return self._chart("upgrade", *sets)

    def uninstall(self) -> str:
        return self._run("uninstall", self.release, "--wait", "--timeout=60s")

    def rollback(self, revision: int) -> str:
        return self._run("rollback", self.release, str(revision))

    def _chart(self, verb: str, *sets: str) -> str:
        return self._run(verb, self.release, str(CHART), *(part for each in sets for part in ("--set", each)))

    def _run(self, *arguments: str) -> str:
        """Raises HelmRefused."""
        done = subprocess.run(
            [self.program or "helm", "--namespace", self.kubectl.namespace, *arguments],
            env=self.kubectl.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise HelmRefused(done.stderr.strip())
        return done.stdout

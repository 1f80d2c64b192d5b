"""kubectl as a user runs it, for tests that also check what it prints."""

import json
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

TIMEOUT_SECONDS = 60


class Refused(Exception):
    """kubectl failed. The message is what it printed."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl for one API server, in one namespace. `path`, from a kit, comes first on the PATH of every run."""

    kubeconfig: Path
    path: str = ""
    namespace: str = "default"

    def __call__(self, *arguments: str, stdin: str | None = None, seconds: float = TIMEOUT_SECONDS) -> str:
        """Run kubectl and return its output. Raise Refused, with what it printed, if it fails."""
        done = subprocess.run(
            ["kubectl", "--namespace", self.namespace, *arguments],
            input=stdin,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode:
            raise Refused(done.stderr.strip())
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (self.path, os.environ["PATH"])))
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def within(self, namespace: str) -> Self:
        return replace(self, namespace=namespace)

    def apply(self, *manifests: dict[str, Any]) -> str:
        """Apply manifests. They are sent as JSON, which is valid YAML."""
        return self("apply", "--filename=-", stdin="\n---\n".join(map(json.dumps, manifests)))

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return the object, or the list of objects, that `kubectl get` prints."""
        found: dict[str, Any] = json.loads(self("get", *arguments, "--output=json"))
        return found

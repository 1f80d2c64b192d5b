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

    def apply(self, *manifests: dict[str, Any], options: tuple[str, ...] = ()) -> str:
        """Apply manifests. They are sent as JSON, which is valid YAML."""
        return self("apply", "--filename=-", *options, stdin="\n---\n".join(map(json.dumps, manifests)))

    def get(self, *what: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("get", *what, "--output=json"))
        return found

    def patch(self, what: str, change: dict[str, Any], *options: str) -> str:
        """Apply a JSON merge patch, in which null removes a field."""
        return self("patch", what, "--type=merge", f"--patch={json.dumps(change)}", *options)

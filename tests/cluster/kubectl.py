"""kubectl as a user runs it: what it prints is part of what is tested."""

import json
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

TIMEOUT_SECONDS = 60


class Refused(Exception):
    """kubectl failed; its words are the message."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Runs against one API server, in one namespace. `path` comes first on the PATH, where a kit brings its own."""

    kubeconfig: Path
    path: str = ""
    namespace: str = "default"

    def __call__(self, *arguments: str, stdin: str | None = None, seconds: float = TIMEOUT_SECONDS) -> str:
        """What it prints. Raises Refused with what it says on failure."""
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
        """Manifests are JSON, which YAML includes."""
        return self("apply", "--filename=-", *options, stdin="\n---\n".join(map(json.dumps, manifests)))

    def get(self, *what: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("get", *what, "--output=json"))
        return found

    def patch(self, what: str, change: dict[str, Any], *options: str) -> str:
        """A JSON merge patch: null removes."""
        return self("patch", what, "--type=merge", f"--patch={json.dumps(change)}", *options)

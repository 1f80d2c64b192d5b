"""The objects that the chart renders to, found by kind and component."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.project import PROJECT

CHART = PROJECT / "charts" / "atomictickets"

Object = dict[str, Any]


class NotRendered(Exception):
    """Helm did not render. The message is what it printed to stderr."""


class Rendered:
    """The objects of one release."""

    def __init__(self, text: str) -> None:
        self.text = text
        # The loader written in C: the one in Python takes as long for the CRD alone as Helm for the whole chart.
        self.objects: list[Object] = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]

    def kinds(self) -> set[str]:
        return {each["kind"] for each in self.objects}

    def of(self, kind: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, component: str) -> Object:
        found = [each for each in self.of(kind) if component_of(each) == component]
        assert len(found) == 1, f"{len(found)} of {kind} {component}"
        return found[0]

    def has(self, kind: str, component: str) -> bool:
        return any(component_of(each) == component for each in self.of(kind))

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Yield the component and pod spec of every object that makes pods."""
        for each in self.objects:
            if each["kind"] in ("Deployment", "StatefulSet", "Job"):
                yield component_of(each), each["spec"]["template"]["spec"]
            elif each["kind"] == "Pod":
                yield component_of(each), each["spec"]

    def environment(self, component: str) -> dict[str, Any]:
        """Return the environment of the component's container: each variable's value, or its `valueFrom`."""
        spec = dict(self.pods())[component]
        entries = spec["containers"][0]["env"]
        variables = {each["name"]: each.get("value", each.get("valueFrom")) for each in entries}
        assert len(variables) == len(entries), "Helm's server-side apply refuses a name that is given twice"
        return variables


def component_of(each: Object) -> str:
    return str(each["metadata"].get("labels", {}).get("app.kubernetes.io/component", ""))


class OfflineHelm:
    """Helm without a cluster: `helm template`, as a user or a GitOps tool runs it."""

    def __init__(self, program: str) -> None:
        self._program = program

    def run(self, *arguments: str) -> str:
        """Run Helm and return its output. Raise NotRendered if it fails."""
        done = subprocess.run([self._program, *arguments], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise NotRendered(done.stderr)
        return done.stdout

    def notes(self, *sets: str) -> str:
        """Return the notes that an install of the release `shop` prints."""
        options = [part for each in sets for part in ("--set", each)]
        return self.run("install", "shop", str(CHART), "--dry-run=client", *options).partition("\nNOTES:\n")[2]

    def render(
        self, *sets: str, release: str = "atomictickets", namespace: str = "shop", files: Iterable[Path] = ()
    ) -> Rendered:
        """Return the rendered chart. Each of `sets` is a `key=value` for `--set`."""
        options = [part for each in sets for part in ("--set", each)]
        options += [part for path in files for part in ("--values", str(path))]
        return Rendered(self.run("template", release, str(CHART), "--namespace", namespace, *options))

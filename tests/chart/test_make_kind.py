"""The commands that `make kind` runs.

Docker, kind, kubectl and helm are stand-ins that record how they were called, because Docker and kind cannot run here.
"""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.project import PROJECT

STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $*" in
  "docker image inspect"*) echo "$IMAGE_ID" ;;
  "kind get clusters") echo "$CLUSTERS" ;;
esac
"""
TOOLS = ("docker", "kind", "kubectl", "helm")


class StandInTools:
    """A directory with the stand-ins, which `make_kind` puts first on the PATH."""

    def __init__(self, home: Path) -> None:
        self._calls = home / "calls"
        self.programs = home / "bin"
        self.programs.mkdir()
        for tool in TOOLS:
            program = self.programs / tool
            program.write_text(STAND_IN)
            program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def make_kind(self, image: str = "0123456789ab", clusters: str = "", path: str | None = None) -> list[str]:
        """Return the commands that ran, in order. Raise CalledProcessError, with make's output, if make fails."""
        self._calls.write_text("")
        path = f"{self.programs}:{os.environ['PATH']}" if path is None else path
        stand_ins = {"CALLS": str(self._calls), "IMAGE_ID": image, "CLUSTERS": clusters, "PATH": path}
        command = (str(shutil.which("make")), "--no-print-directory", "kind")
        environment = os.environ | {"MAKEFLAGS": ""} | stand_ins
        subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True)
        return self._calls.read_text().splitlines()


@pytest.fixture
def tools(tmp_path: Path) -> StandInTools:
    return StandInTools(tmp_path)


def only(calls: list[str], beginning: str) -> str:
    (found,) = (call for call in calls if call.startswith(beginning))
    return found


def test_the_image_that_was_built_is_the_one_that_is_loaded_and_rolled_out(tools: StandInTools) -> None:
    for image in ("0123456789ab", "123456789012"):
        calls = tools.make_kind(image)
        assert only(calls, "docker tag") == f"docker tag atomictickets:dev atomictickets:{image}"
        assert only(calls, "kind load") == f"kind load docker-image --name atomictickets atomictickets:{image}"
        upgrade = only(calls, "helm --kube-context kind-atomictickets upgrade --install")
        # Not --set: Helm would read an id of digits alone as a number, which the schema refuses.
        assert f"--set-string image.tag={image} " in upgrade


def test_a_cluster_that_is_there_is_used(tools: StandInTools) -> None:
    assert only(tools.make_kind(), "kind create") == "kind create cluster --config kind-config.yaml"
    assert not [call for call in tools.make_kind(clusters="atomictickets") if call.startswith("kind create")]


def test_what_is_missing_is_named_in_one_line(tools: StandInTools, tmp_path: Path) -> None:
    (tools.programs / "kind").unlink()
    (tools.programs / "helm").unlink()
    system = tmp_path / "system"
    system.mkdir()
    for tool in ("bash", "sh", "basename"):
        (system / tool).symlink_to(str(shutil.which(tool)))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        tools.make_kind(path=f"{tools.programs}:{system}")
    assert failed.value.stdout.strip() == "make kind needs kind helm: not found on the PATH"

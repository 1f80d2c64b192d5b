"""The project's image, and variants of it, on every node of the cluster that the tests run on."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import PROJECT

BUILD_SECONDS = 600
MIGRATION = "9999_of_the_test.py"  # a release takes its own revision from the highest number
REVISIONS = "/opt/application/app/ledger/migrations/versions/"  # in the image


class CannotBuild(Exception):
    """No image can be built here. The message says what is missing."""


class BuildFailed(Exception):
    """The build failed. The message is the end of the builder's output."""


@dataclass(frozen=True, slots=True)
class ImageStore:
    """The images of a cluster. They are built with Docker and loaded into kind, or the script of CLUSTER_KIT does both.

    `context` is kubectl's.
    """

    context: str
    kit: Path | None

    def build(self, tag: str, directory: Path = PROJECT) -> None:
        """Build an image and put it on every node. Raise CannotBuild or BuildFailed."""
        of_kind = self.context.startswith("kind-")
        for tool in ("docker", "kind") if of_kind else (str(self.kit or "CLUSTER_KIT"),):
            if shutil.which(tool) is None:
                raise CannotBuild(f"{tool} is missing, and ATOMICTICKETS_IMAGE names no image that is loaded")
        if not of_kind:
            self._run(str(self.kit), "build", tag, str(directory))
            return
        self._run("docker", "build", "--tag", tag, str(directory))
        self._run("kind", "load", "docker-image", "--name", self.context.removeprefix("kind-"), tag)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        if done.returncode:
            raise BuildFailed(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")


def with_migration(directory: Path, image: str, source: str) -> Path:
    """Write to `directory` a build context of `image` with one more migration. Return the directory."""
    (directory / MIGRATION).write_text(source)
    (directory / "Dockerfile").write_text(f"FROM {image}\nCOPY {MIGRATION} {REVISIONS}\n")
    return directory

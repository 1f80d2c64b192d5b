"""Releases that differ only in their migrations. The environment decides to which release a process belongs."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from app.ledger.revisions import MIGRATIONS
from tests.support.project import PROJECT

NEXT = "9001"  # higher than all revisions of this project


@dataclass(frozen=True)
class Release:
    """A release, whose `directory` holds its migrations."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(Path(__file__).with_name("release")),  # see its sitecustomize.py
            "MIGRATIONS": str(self.directory),
        }

    def migrate(self, database_url: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the release's migration and return how it ended. A failure is not raised."""
        return subprocess.run(
            [sys.executable, "-m", "app.ledger.migrate"],
            cwd=PROJECT,
            env=os.environ | self.environment | {"DATABASE_URL": database_url} | environment,
            capture_output=True,
            text=True,
            check=False,
        )


THIS = Release(MIGRATIONS)

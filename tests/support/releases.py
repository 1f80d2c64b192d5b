"""Releases that differ only in their migrations. ALEMBIC_CONFIG decides to which release a process belongs."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import PROJECT

NEXT = "9001"  # higher than all revisions of this project


@dataclass(frozen=True)
class Release:
    """A release, whose `directory` holds alembic.ini and the revisions."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"ALEMBIC_CONFIG": str(self.directory / "alembic.ini")}

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


THIS = Release(PROJECT)

"""Releases that differ in their migrations. A process is of the release that its ALEMBIC_CONFIG leads to."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import PROJECT

NEXT = "9001"  # beyond all revisions of this project


@dataclass(frozen=True)
class Release:
    """`directory` holds alembic.ini and the revisions."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"ALEMBIC_CONFIG": str(self.directory / "alembic.ini")}

    def migrate(self, database_url: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the release's migration to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, "-m", "app.ledger.migrate"],
            cwd=PROJECT,
            env=os.environ | self.environment | {"DATABASE_URL": database_url} | environment,
            capture_output=True,
            text=True,
            check=False,
        )


THIS = Release(PROJECT)

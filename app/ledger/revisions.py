"""The revisions of the ledger's schema, and the releases that work on each.

A release works on the schema of its own revision, and on a newer one that is compatible with it. Each revision states
in `min_compatible` the oldest release that works on it, by the revision of that release. So migrations expand the
schema first and contract it in a later release, and a release can be rolled back while the schema stays.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, select, text

from app.errors import TemporarilyUnavailable
from app.ledger.models import InstanceRow

MIGRATIONS = Path(__file__).with_name("migrations")
"""The directory of Alembic's environment, with this release's revisions in `versions`."""

# Alembic's table, in the schema that the connection's search path names.
HAS_REVISION = text("SELECT to_regclass('alembic_version') IS NOT NULL")
REVISION = text("SELECT version_num FROM alembic_version")


class SchemaBehind(TemporarilyUnavailable):
    """The migrations of this release have not been run yet."""


class SchemaIncompatible(TemporarilyUnavailable):
    """The schema is of a newer release on which this one can't work, or of another application."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The revision of a database, and the id of its installation, which its first migration created."""

    revision: str
    installation: str


@cache
def own_revision() -> str:
    """Return the revision of this release's models: the number with which the newest script's name begins.

    Alembic would return the same, but loading it takes a tenth of a process's start time. Only the migration loads it.
    """
    scripts = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return max((script.name.partition("_")[0] for script in scripts), key=int)


def compatible_schema(connection: Connection) -> Schema:
    """Return the database's schema if this release works on it. Raise SchemaBehind or SchemaIncompatible otherwise."""
    own = own_revision()
    revision = connection.execute(REVISION).scalar() if connection.execute(HAS_REVISION).scalar() else None
    if revision is None:
        raise SchemaBehind("The ledger has no schema yet: run `python -m app.ledger.migrate`.")
    if not revision.isdecimal():
        raise SchemaIncompatible(
            f"The database at DATABASE_URL has the schema of another application, at revision {revision!r}."
        )
    if int(revision) < int(own):
        raise SchemaBehind(
            f"The ledger's revision is {revision}; this release needs {own}: run `python -m app.ledger.migrate`."
        )
    # Older revisions lack the column, so it is read only after the check above.
    instance = connection.execute(select(InstanceRow.id, InstanceRow.min_compatible)).first()
    if instance is None:
        raise SchemaBehind("The ledger has no instance id: run `python -m app.ledger.migrate`.")
    installation, min_compatible = instance
    if int(own) < int(min_compatible):
        raise SchemaIncompatible(
            f"The ledger's revision is {revision}, which needs a release of revision {min_compatible} or newer; "
            f"this one is of {own}."
        )
    return Schema(revision, installation)

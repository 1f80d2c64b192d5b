"""The revisions of the ledger's schema, and which releases work on which.

A release works on the schema of its own revision, and on a newer one for as long as that lets it: each revision states,
in `min_compatible`, the oldest release that works on it (by the revision that release was made with). So migrations
expand first and contract in a later release, and a release can be rolled back without its schema.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, select, text

from app.errors import TemporarilyUnavailable
from app.ledger.models import InstanceRow
from app.settings import ProcessSettings

# Alembic's own table, in the schema that the connection sees.
HAS_REVISION = text("SELECT to_regclass('alembic_version') IS NOT NULL")
REVISION = text("SELECT version_num FROM alembic_version")


class SchemaBehind(TemporarilyUnavailable):
    """The migrations of this release have not been run yet."""


class SchemaUnfit(TemporarilyUnavailable):
    """The schema is of a newer release, and this one can't work on it; or it is none of ours."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a database says of itself. `installation`: the id that its first migration gave it."""

    revision: str
    installation: str


def alembic_ini() -> Path:
    """The scripts lie beside the packages in a checkout and in the working directory of an image."""
    checkout = Path(__file__).resolve().parents[2] / "alembic.ini"
    return ProcessSettings().alembic_config or (checkout if checkout.exists() else Path("alembic.ini"))


@cache
def own_revision() -> str:
    """The revision that this release's models describe: the newest script's, which its name begins with.

    Alembic would say the same, for a tenth of the time that a process takes to start; only the migration loads it.
    """
    scripts = alembic_ini().parent / "alembic" / "versions"
    return max((script.name.partition("_")[0] for script in scripts.glob("[0-9]*_*.py")), key=int)


def fitting_schema(connection: Connection) -> Schema:
    """The schema that is there, if this release works on it. Raises SchemaBehind or SchemaUnfit."""
    own = own_revision()
    revision = connection.execute(REVISION).scalar() if connection.execute(HAS_REVISION).scalar() else None
    if revision is None:
        raise SchemaBehind("The ledger has no schema yet: run `python -m app.ledger.migrate`.")
    if not revision.isdecimal():
        raise SchemaUnfit(f"The database at DATABASE_URL has a schema of something else, at revision {revision!r}.")
    if int(revision) < int(own):
        raise SchemaBehind(f"The ledger's revision is {revision}; this release needs {own}.")
    # Older revisions lack the column, so that it is read no earlier.
    instance = connection.execute(select(InstanceRow.id, InstanceRow.min_compatible)).first()
    if instance is None:
        raise SchemaBehind("The ledger has no instance id: run `python -m app.ledger.migrate`.")
    installation, min_compatible = instance
    if int(own) < int(min_compatible):
        raise SchemaUnfit(
            f"The ledger's revision is {revision}, which needs a release of revision {min_compatible} or newer; "
            f"this one is of {own}."
        )
    return Schema(revision, installation)

"""Alembic's environment: it runs the migrations over the connection that app.ledger.migrate has opened and locked."""

from alembic import context
from sqlalchemy import Connection

from app.ledger.models import Base


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])

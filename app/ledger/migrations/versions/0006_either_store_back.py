"""Seed each epoch once, order the changes of a sale's terms, and mark the bookings that were made again."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
min_compatible = "0006"  # an older release can neither read the answers nor keep the counts of the gate
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The epochs that exist have been seeded. If not, the reconciler finds the sale missing and raises its epoch.
    op.add_column("inventory", sa.Column("seeded", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.alter_column("inventory", "seeded", server_default=sa.text("false"))
    op.add_column("sales", sa.Column("generation", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("bookings", sa.Column("rebooked", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.drop_column("bookings", "rebooked")
    op.drop_column("sales", "generation")
    op.drop_column("inventory", "seeded")

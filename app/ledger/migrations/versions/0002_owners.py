"""Record the round and the generation of the resource that a sale follows."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
min_compatible = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sales", sa.Column("owner_round", sa.Integer(), nullable=True))
    op.add_column("sales", sa.Column("owner_generation", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("sales", "owner_generation")
    op.drop_column("sales", "owner_round")

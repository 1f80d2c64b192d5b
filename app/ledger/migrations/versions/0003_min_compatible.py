"""Record the oldest release that works on this schema."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
min_compatible = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instance", sa.Column("min_compatible", sa.Text(), server_default=sa.text("'0001'"), nullable=False))


def downgrade() -> None:
    op.drop_column("instance", "min_compatible")

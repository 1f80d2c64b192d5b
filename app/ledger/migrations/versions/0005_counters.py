"""Add the counters of the strategies that sell in Postgres: versions, lock tokens, buckets and single tickets."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
min_compatible = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inventory", sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("inventory", sa.Column("lock_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "buckets",
        sa.Column("sale", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("next_ticket", sa.Integer(), nullable=False),
        sa.CheckConstraint("remaining >= 0", name=op.f("ck_buckets_remaining_not_negative")),
        sa.ForeignKeyConstraint(
            ["sale", "round"], ["inventory.sale", "inventory.round"], name=op.f("fk_buckets_sale_round_inventory")
        ),
        sa.PrimaryKeyConstraint("sale", "round", "bucket", name=op.f("pk_buckets")),
    )
    op.create_table(
        "units",
        sa.Column("sale", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sale", "round"], ["inventory.sale", "inventory.round"], name=op.f("fk_units_sale_round_inventory")
        ),
        sa.PrimaryKeyConstraint("sale", "round", "ticket", name=op.f("pk_units")),
    )


def downgrade() -> None:
    """Return the tickets in `buckets` and `units` to `inventory.remaining` before these tables are dropped."""
    op.execute("""
        UPDATE inventory i SET remaining = i.remaining + d.tickets
        FROM (
            SELECT sale, round, sum(tickets) AS tickets FROM (
                SELECT sale, round, sum(remaining) AS tickets FROM buckets GROUP BY sale, round
                UNION ALL
                SELECT sale, round, count(*) FROM units GROUP BY sale, round
            ) dealt GROUP BY sale, round
        ) d
        WHERE d.sale = i.sale AND d.round = i.round
    """)
    op.drop_table("units")
    op.drop_table("buckets")
    op.drop_column("inventory", "lock_token")
    op.drop_column("inventory", "version")

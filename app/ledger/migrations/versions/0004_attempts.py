"""Create the tables for the evidence of races: attempts, and witnesses, which are pairs of attempts that collided."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
min_compatible = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("sale", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("hazard", sa.Text(), nullable=False),
        sa.Column("guards", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("version_read", sa.Text(), nullable=False),
        sa.Column("value_read", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.Double(), nullable=False),
        sa.Column("version_written", sa.Text(), nullable=True),
        sa.Column("value_written", sa.Integer(), nullable=True),
        sa.Column("wrote_at", sa.Double(), nullable=True),
        sa.Column("reservation_id", sa.Text(), nullable=True),
        sa.Column("pod", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=True),
        sa.Column("span_id", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("sale", "round", "number", name=op.f("pk_attempts")),
        sa.UniqueConstraint("id", name=op.f("uq_attempts_id")),
    )
    op.create_index(
        "ix_attempts_writers",
        "attempts",
        ["version_read", "guards", "sale", "round", "number"],
        unique=False,
        postgresql_where=sa.text("wrote_at IS NOT NULL"),
    )
    op.create_index("ix_attempts_recorded_at", "attempts", ["recorded_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "witnesses",
        sa.Column("sale", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("second_number", sa.Integer(), nullable=False),
        sa.Column("first_number", sa.Integer(), nullable=False),
        sa.Column("hazard", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("first_number < second_number", name=op.f("ck_witnesses_in_order")),
        sa.ForeignKeyConstraint(
            ["sale", "round", "first_number"],
            ["attempts.sale", "attempts.round", "attempts.number"],
            name=op.f("fk_witnesses_sale_round_first_number_attempts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["sale", "round", "second_number"],
            ["attempts.sale", "attempts.round", "attempts.number"],
            name=op.f("fk_witnesses_sale_round_second_number_attempts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sale", "round", "second_number", name=op.f("pk_witnesses")),
    )
    op.create_index(
        "ix_witnesses_first_number_sale_round", "witnesses", ["first_number", "sale", "round"], unique=False
    )
    op.add_column("blasts", sa.Column("trace_ratio", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("blasts", "trace_ratio")
    op.drop_index("ix_witnesses_first_number_sale_round", table_name="witnesses")
    op.drop_table("witnesses")
    op.drop_index("ix_attempts_recorded_at", table_name="attempts", postgresql_using="brin")
    op.drop_index("ix_attempts_writers", table_name="attempts", postgresql_where=sa.text("wrote_at IS NOT NULL"))
    op.drop_table("attempts")

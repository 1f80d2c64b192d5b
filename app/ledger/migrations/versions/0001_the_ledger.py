"""Create the tables of the ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
min_compatible = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "instance",
        sa.Column("singleton", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.CheckConstraint("singleton", name=op.f("ck_instance_one_row")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("pk_instance")),
    )
    op.create_table(
        "receipts",
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("sale", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("reservation_id", name=op.f("pk_receipts")),
    )
    op.create_index("ix_receipts_sale_round", "receipts", ["sale", "round"], unique=False)
    op.create_table(
        "sales",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("customer_limit", sa.Integer(), nullable=True),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("think_ms", sa.Integer(), server_default=sa.text("50"), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("managed_by", sa.Text(), server_default=sa.text("'http'"), nullable=False),
        sa.Column("owner_uid", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("managed_by IN ('http', 'flashsale')", name=op.f("ck_sales_managed_by_known")),
        sa.CheckConstraint("closes_at > opens_at", name=op.f("ck_sales_closes_after_opens")),
        sa.CheckConstraint(
            "customer_limit IS NULL OR customer_limit >= 1", name=op.f("ck_sales_customer_limit_positive")
        ),
        sa.CheckConstraint("round >= 1", name=op.f("ck_sales_round_from_one")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sales")),
    )
    op.create_index(
        "ix_sales_removed_at", "sales", ["removed_at"], unique=False, postgresql_where=sa.text("removed_at IS NULL")
    )
    op.create_table(
        "set_aside",
        sa.Column("sale", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("set_aside_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_set_aside_quantity_not_negative")),
        sa.PrimaryKeyConstraint("sale", "entry", name=op.f("pk_set_aside")),
    )
    op.create_index("ix_set_aside_sale_round", "set_aside", ["sale", "round"], unique=False)
    op.create_table(
        "blasts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sale", sa.Text(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("customers", sa.Integer(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("cancel_asked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("runner", sa.Text(), nullable=True),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'finished', 'cancelled', 'aborted')", name=op.f("ck_blasts_state_known")
        ),
        sa.ForeignKeyConstraint(["sale"], ["sales.name"], name=op.f("fk_blasts_sale_sales")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blasts")),
    )
    op.create_index(
        "ix_blasts_open",
        "blasts",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "inventory",
        sa.Column("sale", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("stock", sa.Integer(), nullable=False),
        sa.Column("booked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("guarded", sa.Boolean(), nullable=False),
        sa.Column("recount", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("NOT guarded OR booked <= stock", name=op.f("ck_inventory_never_oversold")),
        sa.CheckConstraint("booked >= 0", name=op.f("ck_inventory_booked_not_negative")),
        sa.CheckConstraint("stock >= 0", name=op.f("ck_inventory_stock_not_negative")),
        sa.ForeignKeyConstraint(["sale"], ["sales.name"], name=op.f("fk_inventory_sale_sales")),
        sa.PrimaryKeyConstraint("sale", "round", name=op.f("pk_inventory")),
    )
    op.create_table(
        "bookings",
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("sale", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("alias_of", sa.Text(), nullable=True),
        sa.Column("booked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'duplicate') = (alias_of IS NOT NULL)", name=op.f("ck_bookings_alias_only_of_duplicate")
        ),
        sa.CheckConstraint(
            "status IN ('booked', 'rejected', 'duplicate', 'cancelled')", name=op.f("ck_bookings_status_known")
        ),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_bookings_quantity_positive")),
        sa.ForeignKeyConstraint(
            ["sale", "round"], ["inventory.sale", "inventory.round"], name=op.f("fk_bookings_sale_round_inventory")
        ),
        sa.PrimaryKeyConstraint("reservation_id", name=op.f("pk_bookings")),
    )
    op.create_index(
        "ix_bookings_sale_round_epoch_number", "bookings", ["sale", "round", "epoch", "number"], unique=False
    )
    op.create_index(
        "uq_bookings_sale_round_customer_idempotency_key",
        "bookings",
        ["sale", "round", "customer", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("status <> 'duplicate'"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_bookings_sale_round_customer_idempotency_key",
        table_name="bookings",
        postgresql_where=sa.text("status <> 'duplicate'"),
    )
    op.drop_index("ix_bookings_sale_round_epoch_number", table_name="bookings")
    op.drop_table("bookings")
    op.drop_table("inventory")
    op.drop_index("ix_blasts_open", table_name="blasts", postgresql_where=sa.text("state IN ('queued', 'running')"))
    op.drop_table("blasts")
    op.drop_index("ix_set_aside_sale_round", table_name="set_aside")
    op.drop_table("set_aside")
    op.drop_index("ix_sales_removed_at", table_name="sales", postgresql_where=sa.text("removed_at IS NULL"))
    op.drop_table("sales")
    op.drop_index("ix_receipts_sale_round", table_name="receipts")
    op.drop_table("receipts")
    op.drop_table("instance")

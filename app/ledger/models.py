"""The tables of the ledger. They stay in one file, so that the whole schema is read in one place.

A convention fixes the names of constraints, so that a migration can drop them by name.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True), str: Text()}  # noqa: RUF012  SQLAlchemy's own declaration


class SaleRow(Base):
    """One sale, identified by its name forever. An ended sale may start a new round."""

    __tablename__ = "sales"
    __table_args__ = (
        CheckConstraint("round >= 1", name="round_from_one"),
        CheckConstraint("customer_limit IS NULL OR customer_limit >= 1", name="customer_limit_positive"),
        CheckConstraint("closes_at > opens_at", name="closes_after_opens"),
        CheckConstraint("managed_by IN ('http', 'flashsale')", name="managed_by_known"),
        Index("ix_sales_removed_at", "removed_at", postgresql_where=text("removed_at IS NULL")),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    strategy: Mapped[str]
    round: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    customer_limit: Mapped[int | None] = mapped_column(Integer)
    opens_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    think_ms: Mapped[int] = mapped_column(Integer, server_default=text("50"))
    paused: Mapped[bool] = mapped_column(server_default=text("false"))
    managed_by: Mapped[str] = mapped_column(server_default=text("'http'"))
    owner_uid: Mapped[str | None]
    owner_round: Mapped[int | None] = mapped_column(Integer)  # the resource's spec.round that was followed last
    owner_generation: Mapped[int | None] = mapped_column(BigInteger)  # the one followed last; older ones are ignored
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]  # set when the ended sale is drained and its Redis keys are removed
    generation: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))  # changes of terms, pause and end


class InventoryRow(Base):
    """The stock of one round, and the row that the drain locks first.

    `booked` is raised by the drain and by the strategies that write to this row; the others leave it unchanged.
    `remaining` is the counter of the strategies that sell in Postgres; the gate's counter is in Redis. `version` rises
    with each optimistic write. `lock_token` is the newest token of a fenced lock. `guarded` turns `never_oversold` on.
    `recount` asks the reconciler for an exact check, because an order of an older epoch was booked. `seeded` is set
    before the gate is seeded under `epoch`: each epoch is seeded once.
    """

    __tablename__ = "inventory"
    __table_args__ = (
        ForeignKeyConstraint(["sale"], ["sales.name"]),
        CheckConstraint("stock >= 0", name="stock_not_negative"),
        CheckConstraint("booked >= 0", name="booked_not_negative"),
        CheckConstraint("NOT guarded OR booked <= stock", name="never_oversold"),
    )

    sale: Mapped[str] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger)
    stock: Mapped[int] = mapped_column(Integer)
    booked: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    remaining: Mapped[int] = mapped_column(Integer)
    guarded: Mapped[bool]
    recount: Mapped[bool] = mapped_column(server_default=text("false"))
    seeded: Mapped[bool] = mapped_column(server_default=text("false"))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    lock_token: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class BucketRow(Base):
    """Tickets moved from `inventory.remaining` to be sold without its lock. Unsold ones go back after the round."""

    __tablename__ = "buckets"
    __table_args__ = (
        ForeignKeyConstraint(["sale", "round"], ["inventory.sale", "inventory.round"]),
        CheckConstraint("remaining >= 0", name="remaining_not_negative"),
    )

    sale: Mapped[str] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True)
    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    remaining: Mapped[int] = mapped_column(Integer)
    next_ticket: Mapped[int] = mapped_column(Integer)  # the bucket has this ticket and the `remaining - 1` after it


class UnitRow(Base):
    """One free ticket, moved from `inventory.remaining`. The transaction that deletes the row has taken the ticket."""

    __tablename__ = "units"
    __table_args__ = (ForeignKeyConstraint(["sale", "round"], ["inventory.sale", "inventory.round"]),)

    sale: Mapped[str] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True)
    ticket: Mapped[int] = mapped_column(Integer, primary_key=True)


class BookingRow(Base):
    """One order that reached the ledger. The gate assigns (epoch, number); both are null without the gate."""

    __tablename__ = "bookings"
    __table_args__ = (
        ForeignKeyConstraint(["sale", "round"], ["inventory.sale", "inventory.round"]),
        CheckConstraint("quantity >= 1", name="quantity_positive"),
        CheckConstraint("status IN ('booked', 'rejected', 'duplicate', 'cancelled')", name="status_known"),
        CheckConstraint("(status = 'duplicate') = (alias_of IS NOT NULL)", name="alias_only_of_duplicate"),
        Index(
            "uq_bookings_sale_round_customer_idempotency_key",
            "sale",
            "round",
            "customer",
            "idempotency_key",
            unique=True,
            postgresql_where=text("status <> 'duplicate'"),
        ),
        Index("ix_bookings_sale_round_epoch_number", "sale", "round", "epoch", "number"),
    )

    reservation_id: Mapped[str] = mapped_column(primary_key=True)
    sale: Mapped[str]
    round: Mapped[int] = mapped_column(Integer)
    epoch: Mapped[int | None] = mapped_column(BigInteger)
    number: Mapped[int | None] = mapped_column(BigInteger)
    customer: Mapped[str]
    idempotency_key: Mapped[str]
    quantity: Mapped[int] = mapped_column(Integer)
    ticket: Mapped[int] = mapped_column(Integer)  # the order's first ticket; a number that occurs twice was sold twice
    status: Mapped[str]
    alias_of: Mapped[str | None]
    booked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    rebooked: Mapped[bool] = mapped_column(server_default=text("false"))  # the ledger had lost it: app.reconcile.rebook


class SetAsideRow(Base):
    """An entry that failed even by itself. From `set_aside_at` on it waits for a person, and its tickets are owed."""

    __tablename__ = "set_aside"
    __table_args__ = (
        CheckConstraint("quantity >= 0", name="quantity_not_negative"),
        Index("ix_set_aside_sale_round", "sale", "round"),
    )

    sale: Mapped[str] = mapped_column(primary_key=True)
    entry: Mapped[str] = mapped_column(primary_key=True)  # stream id and nonce
    round: Mapped[int] = mapped_column(Integer)
    epoch: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(Integer)  # 0 if the entry can't be read
    payload: Mapped[str]  # JSON text, since jsonb refuses NUL, which may be what is wrong with the entry
    reason: Mapped[str]
    tries: Mapped[int] = mapped_column(SmallInteger)
    set_aside_at: Mapped[datetime | None]


class ReceiptRow(Base):
    """An acceptance that an API process sent to a buyer shortly before a fence.

    If the order has left no other trace, it proves that the order is lost.
    """

    __tablename__ = "receipts"
    __table_args__ = (Index("ix_receipts_sale_round", "sale", "round"),)

    reservation_id: Mapped[str] = mapped_column(primary_key=True)
    sale: Mapped[str]
    round: Mapped[int] = mapped_column(Integer)
    epoch: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int] = mapped_column(BigInteger)
    customer: Mapped[str]
    idempotency_key: Mapped[str]
    quantity: Mapped[int] = mapped_column(Integer)
    kept_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BlastRow(Base):
    """A burst of load, which any API process can show. An old `heartbeat_at` means that its runner has died."""

    __tablename__ = "blasts"
    __table_args__ = (
        ForeignKeyConstraint(["sale"], ["sales.name"]),
        CheckConstraint("state IN ('queued', 'running', 'finished', 'cancelled', 'aborted')", name="state_known"),
        Index("ix_blasts_open", "created_at", postgresql_where=text("state IN ('queued', 'running')")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    sale: Mapped[str]
    requests: Mapped[int] = mapped_column(Integer)
    concurrency: Mapped[int] = mapped_column(Integer)
    customers: Mapped[int | None] = mapped_column(Integer)
    quantity: Mapped[int] = mapped_column(Integer)
    retries: Mapped[int] = mapped_column(Integer)
    trace_ratio: Mapped[float | None] = mapped_column(Double)
    state: Mapped[str] = mapped_column(server_default=text("'queued'"))
    cancel_asked: Mapped[bool] = mapped_column(server_default=text("false"))
    runner: Mapped[str | None]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class AttemptRow(Base):
    """One attempt of a strategy that races: see app.sales.attempt. Times are Unix times in seconds.

    There is no foreign key to the round, because its check would lock the row whose races are observed. No second index
    begins with the sale: a table that was empty a moment ago has no statistics, and without them the planner may pick
    that index for a look-up by key and read all rows of the sale (500 a batch took seconds, measured at 10,000 rows).
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index(
            "ix_attempts_writers",
            "version_read",
            "guards",
            "sale",
            "round",
            "number",
            postgresql_where=text("wrote_at IS NOT NULL"),
        ),
        Index("ix_attempts_recorded_at", "recorded_at", postgresql_using="brin"),  # for the retention only
    )

    sale: Mapped[str] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    strategy: Mapped[str]
    hazard: Mapped[str]
    guards: Mapped[str]
    nonce: Mapped[str]
    quantity: Mapped[int] = mapped_column(Integer)
    version_read: Mapped[str]
    value_read: Mapped[int] = mapped_column(Integer)
    read_at: Mapped[float] = mapped_column(Double)
    version_written: Mapped[str | None]
    value_written: Mapped[int | None] = mapped_column(Integer)
    wrote_at: Mapped[float | None] = mapped_column(Double)
    reservation_id: Mapped[str | None]
    pod: Mapped[str]
    process: Mapped[str]
    trace_id: Mapped[str | None]
    span_id: Mapped[str | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WitnessRow(Base):
    """Two attempts that read one version and both wrote. Each writer of a version after the first has one row."""

    __tablename__ = "witnesses"
    __table_args__ = (
        *(
            ForeignKeyConstraint(
                ["sale", "round", number], ["attempts.sale", "attempts.round", "attempts.number"], ondelete="CASCADE"
            )
            for number in ("first_number", "second_number")
        ),
        CheckConstraint("first_number < second_number", name="in_order"),
        Index("ix_witnesses_first_number_sale_round", "first_number", "sale", "round"),
    )

    sale: Mapped[str] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True)
    second_number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    first_number: Mapped[int] = mapped_column(Integer)
    hazard: Mapped[str]
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())


class InstanceRow(Base):
    """The installation, in one row. Redis holds the same `id`; no process starts on stores that do not match."""

    __tablename__ = "instance"
    __table_args__ = (CheckConstraint("singleton", name="one_row"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    id: Mapped[str]
    min_compatible: Mapped[str] = mapped_column(server_default=text("'0001'"))  # a release: see app.ledger.revisions

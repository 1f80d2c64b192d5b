"""A FlashSale as Python reads and writes it. The CRD is generated from these (`crd.py`), so that neither can drift."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from app.sales.model import MAX_STOCK, MAX_THINK_MS
from app.sales.phase import Phase
from app.strategies.registry import strategy_names

GROUP = "atomictickets.dev"
VERSION = "v1alpha1"
PLURAL = "flashsales"
KIND = "FlashSale"
ADOPT = f"{GROUP}/adopt"
"""Annotated with "true", a FlashSale takes over a sale of its name that was made over HTTP."""

MAX_ROUND = 1_000_000
MAX_WORKERS = 1_000
MAX_COUNT = 2**53 - 1  # what every reader of JSON keeps exactly; a status must never be refused for its size


def _whole_second(moment: datetime) -> datetime:
    """What was written compares equal to what is read back."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


_AS_JSON = PlainSerializer(_rfc3339, return_type=str, when_used="json")
# The API server's own `date-time` takes +24:00, which Python does not.
_IN_CRD = WithJsonSchema(
    {"type": "string", "format": "date-time", "pattern": r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$"}, mode="validation"
)
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc), _AS_JSON, _IN_CRD]
Time = Annotated[AwareDatetime, AfterValidator(_whole_second), _AS_JSON]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]


class CamelModel(BaseModel):
    """camelCase outside, as Kubernetes has it. What a newer CRD added is ignored."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True)


class Policy(StrEnum):
    REPAIR_SAFE = "RepairSafe"
    OBSERVE = "Observe"


class WorkersSpec(CamelModel):
    """How many workers this sale asks for. All sales share one pool, as large as their backlogs ask together."""

    min: int = Field(
        0,
        ge=0,
        le=MAX_WORKERS,
        description="Workers desired from 60 s before the sale opens, whatever its backlog is.",
    )
    max: int = Field(5, ge=1, le=MAX_WORKERS, description="Workers that this sale's backlog asks for at most.")
    backlog_per_worker: int = Field(
        500, ge=1, le=1_000_000, description="Tickets of backlog, accepted and not yet booked, for each worker."
    )


class ReconcileSpec(CamelModel):
    """How often Redis is compared with the ledger, and what is done about a difference."""

    interval_seconds: int = Field(10, ge=1, le=3600, description="Seconds from one check to the next.")
    grace_seconds: int = Field(
        30, ge=1, le=86_400, description="Seconds that tickets must have been missing before they are given back."
    )
    policy: Policy = Field(
        Policy.REPAIR_SAFE,
        description="RepairSafe gives leaked tickets back, and recounts where too many were promised. Observe only "
        "tells. Where Redis has forgotten the sale it is recounted under both: nothing could be sold before.",
    )


class FlashSaleSpec(CamelModel):
    """What is to be sold, when, to whom, and how."""

    strategy: str = Field(
        description="How it is sold: atomic is the platform's own way. The others are there to be compared; naive, "
        "naive-relative and redis-lock oversell. Fixed for the sale's life.",
        json_schema_extra={"enum": list(strategy_names())},
    )
    stock: int = Field(
        ge=1,
        le=MAX_STOCK,
        description="Tickets to sell. Only grows while a round lasts; raise round as well to lower it.",
    )
    opens_at: Moment | None = Field(
        None,
        description="When selling starts, for example 2030-12-01T18:00:00Z; at once if left out. Fixed once the "
        "round has opened.",
    )
    closes_at: Moment | None = Field(
        None, description="When selling stops, for example 2030-12-01T20:00:00Z; never if left out. May be moved."
    )
    per_customer_limit: int | None = Field(
        None,
        ge=1,
        le=MAX_STOCK,
        description="Tickets that one customer may hold at most; any number if left out. Fixed once the round has "
        "opened.",
    )
    think_milliseconds: int | None = Field(
        None,
        ge=0,
        le=MAX_THINK_MS,
        description="Pause between read and write of the strategies that have one. Left out, it is what the operator "
        "has (SALE_THINK_MS) when the round starts. Fixed once the round has opened.",
    )
    paused: bool = Field(False, description="Refuses purchases while true. What was accepted is still booked.")
    round: int = Field(
        1,
        ge=1,
        le=MAX_ROUND,
        description="Raise it to start the sale afresh, with its whole stock; earlier bookings are kept as history.",
    )
    workers: WorkersSpec = Field(WorkersSpec(), description=WorkersSpec.__doc__)
    reconcile: ReconcileSpec = Field(ReconcileSpec(), description=ReconcileSpec.__doc__)


class StockStatus(CamelModel):
    """The tickets of the round: total = remaining + backlog + setAside + booked."""

    total: Count = Field(0, description="Tickets to sell, as the ledger has it.")
    remaining: int = Field(
        0, ge=-MAX_COUNT, le=MAX_COUNT, description="What the strategy's own counter has left to sell."
    )
    backlog: Count = Field(0, description="Accepted, and not yet in the ledger.")
    set_aside: Count = Field(0, description="Of orders that no worker could book; they wait for a person.")
    booked: Count = Field(0, description="Sold: counted from the ledger's bookings.")
    rejected: Count = Field(0, description="Accepted, and refused by the ledger, which had no room for them.")
    oversold: Count = Field(0, description="Booked beyond the total. 0 for ever where the strategy is exact.")


class DriftStatus(CamelModel):
    """By how many tickets the identity is off, and since when."""

    leaked: Count = Field(0, description="Tickets that are gone from Redis with no order behind them.")
    over_admitted: Count = Field(0, description="Tickets promised beyond the total.")
    lost: Count = Field(0, description="Tickets of accepted orders that Redis forgot before they were booked.")
    since_time: Time | None = Field(None, description="When the present drift was first seen.")


class WorkersStatus(CamelModel):
    """The workers: as many as this sale asks for, and as many as there are."""

    desired: Count = Field(0, description="Workers that this sale alone asks for.")
    pool: Count = Field(0, description="Workers that the Deployment is to have, for all sales.")
    ready: Count = Field(0, description="Workers of the pool that are ready.")


class LastReconcile(CamelModel):
    """The last reconciliation that changed something."""

    time: Time = Field(description="When it ended.")
    trace_id: str = Field("", max_length=32, description="Its trace: 32 hexadecimal digits, or nothing.")


class ConditionType(StrEnum):
    READY = "Ready"
    STOCK_SEEDED = "StockSeeded"
    WORKERS_AVAILABLE = "WorkersAvailable"
    LEDGER_CONSISTENT = "LedgerConsistent"
    ACCEPTING = "Accepting"


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(CamelModel):
    """One statement about the sale, as Kubernetes makes them."""

    type: ConditionType = Field(
        description="Ready: the spec is in force. StockSeeded: Redis has the stock. WorkersAvailable: the pool is as "
        "desired. LedgerConsistent: Redis and the ledger agree. Accepting: a purchase now could succeed."
    )
    status: ConditionStatus = Field(description="Whether it holds; Unknown where it can't be told.")
    reason: str = Field(
        max_length=256, pattern=r"^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$", description="Why, in one word for programs."
    )
    message: str = Field("", max_length=4096, description="Why, in a sentence for people.")
    observed_generation: Count = Field(0, description="The generation of the resource that this speaks of.")
    last_transition_time: Time = Field(description="When status last changed.")


class FlashSaleStatus(CamelModel):
    """What the operator has seen and done. Written by the operator only."""

    observed_generation: Count = Field(0, description="The generation of the spec that the rest of this speaks of.")
    phase: Phase | None = Field(None, description="Where the sale is in its life; the first that fits, Degraded first.")
    round: int | None = Field(None, ge=1, le=MAX_COUNT, description="The round that was last acted upon.")
    epoch: int | None = Field(
        None, ge=1, le=MAX_COUNT, description="The fencing token: raised by every seed, reset and repair."
    )
    stock: StockStatus | None = Field(None, description=StockStatus.__doc__)
    drift: DriftStatus | None = Field(None, description=DriftStatus.__doc__)
    workers: WorkersStatus | None = Field(None, description=WorkersStatus.__doc__)
    conditions: tuple[Condition, ...] = Field((), max_length=16, description="Ready and what it rests upon.")
    last_reconcile: LastReconcile | None = Field(None, description=LastReconcile.__doc__)


class Metadata(CamelModel):
    """What the operator reads of an object's metadata."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    resource_version: str = ""
    annotations: dict[str, str] = {}
    deletion_timestamp: Time | None = None

    @property
    def adopts(self) -> bool:
        return self.annotations.get(ADOPT) == "true"


class FlashSale(CamelModel):
    """One sale of one kind of ticket: declare it, and the operator makes it true and keeps it true."""

    metadata: Metadata
    spec: FlashSaleSpec
    status: FlashSaleStatus = FlashSaleStatus()

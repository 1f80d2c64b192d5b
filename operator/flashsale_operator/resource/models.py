"""A FlashSale as the operator reads and writes it. The CRD is generated from these models by `crd.py`.

`kubectl explain` shows the descriptions of the fields and the docstrings of the nested objects.
"""

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
"""The annotation that, if it is "true", lets a FlashSale take over a sale of its name that was created over HTTP."""

MAX_ROUND = 1_000_000
MAX_WORKERS = 1_000
MAX_COUNT = 2**53 - 1  # every JSON reader keeps it exactly; no status may be refused because a number is too large


def _whole_second(moment: datetime) -> datetime:
    """Drop fractions of a second, so that a time compares equal when it is read back."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


_AS_JSON = PlainSerializer(_rfc3339, return_type=str, when_used="json")
# The API server's `date-time` format allows the offset +24:00, which Python does not.
_IN_CRD = WithJsonSchema(
    {"type": "string", "format": "date-time", "pattern": r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$"}, mode="validation"
)
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc), _AS_JSON, _IN_CRD]
"""A time in the spec, kept to the fraction of a second."""
Time = Annotated[AwareDatetime, AfterValidator(_whole_second), _AS_JSON]
"""A time in the status."""
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]


class CamelModel(BaseModel):
    """The base of all models. Field names are camelCase in JSON, and fields that a newer CRD added are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True)


class Policy(StrEnum):
    """What the operator does about drift."""

    REPAIR_SAFE = "RepairSafe"
    OBSERVE = "Observe"


class WorkersSpec(CamelModel):
    """The workers that this sale asks for. All sales share one pool, sized for the sum of their backlogs."""

    min: int = Field(
        0,
        ge=0,
        le=MAX_WORKERS,
        description="Minimum number of workers, even without a backlog, from 60 seconds before the sale opens.",
    )
    max: int = Field(5, ge=1, le=MAX_WORKERS, description="Maximum number of workers to ask for to drain the backlog.")
    backlog_per_worker: int = Field(
        500,
        ge=1,
        le=1_000_000,
        description="Number of tickets in the backlog (accepted and not yet booked) per worker.",
    )


class ReconcileSpec(CamelModel):
    """How often Redis is compared with the ledger, and what is done about drift."""

    interval_seconds: int = Field(10, ge=1, le=3600, description="Number of seconds from one check to the next.")
    grace_seconds: int = Field(
        30, ge=1, le=86_400, description="Number of seconds that tickets must be missing before they are given back."
    )
    policy: Policy = Field(
        Policy.REPAIR_SAFE,
        description="What to do about drift. RepairSafe gives leaked tickets back, and recounts the sale if too many "
        "tickets were promised. Observe only reports drift. If Redis has lost the sale, it is recounted under both "
        "policies, because nothing can be sold until then.",
    )


class FlashSaleSpec(CamelModel):
    """Desired state of the sale: what is sold, when, and how."""

    strategy: str = Field(
        description="How the tickets are sold. atomic is the platform's own way. The other strategies are there to be "
        "compared with it; naive, naive-relative and redis-lock oversell. Cannot be changed.",
        json_schema_extra={"enum": list(strategy_names())},
    )
    stock: int = Field(
        ge=1,
        le=MAX_STOCK,
        description="Number of tickets to sell. Can only be raised within a round; to lower it, raise round as well.",
    )
    opens_at: Moment | None = Field(
        None,
        description="Time at which selling starts, for example 2030-12-01T18:00:00Z. If omitted, selling starts at "
        "once. Cannot be changed once the round has opened.",
    )
    closes_at: Moment | None = Field(
        None,
        description="Time at which selling stops, for example 2030-12-01T20:00:00Z. If omitted, the sale does not "
        "close by itself. Can be changed at any time.",
    )
    per_customer_limit: int | None = Field(
        None,
        ge=1,
        le=MAX_STOCK,
        description="Maximum number of tickets that one customer may hold. If omitted, there is no limit. Cannot be "
        "changed once the round has opened.",
    )
    think_milliseconds: int | None = Field(
        None,
        ge=0,
        le=MAX_THINK_MS,
        description="Pause between read and write, for strategies that have one. If omitted, the operator's setting "
        "SALE_THINK_MS at the start of the round applies. Cannot be changed once the round has opened.",
    )
    paused: bool = Field(False, description="Whether purchases are refused. Accepted orders are still booked.")
    round: int = Field(
        1,
        ge=1,
        le=MAX_ROUND,
        description="Number of the round. Raise it to start a new round with the whole stock; the bookings of earlier "
        "rounds are kept. Cannot be lowered.",
    )
    workers: WorkersSpec = Field(WorkersSpec(), description=WorkersSpec.__doc__)
    reconcile: ReconcileSpec = Field(ReconcileSpec(), description=ReconcileSpec.__doc__)


class StockStatus(CamelModel):
    """Where the tickets of the round are: total = remaining + backlog + setAside + booked."""

    total: Count = Field(0, description="Number of tickets to sell, according to the ledger.")
    remaining: int = Field(
        0, ge=-MAX_COUNT, le=MAX_COUNT, description="Number of tickets left to sell in the strategy's own counter."
    )
    backlog: Count = Field(0, description="Number of tickets that are accepted and not yet in the ledger.")
    set_aside: Count = Field(0, description="Number of tickets in orders that no worker could book. A person must act.")
    booked: Count = Field(0, description="Number of tickets sold, counted from the bookings in the ledger.")
    rejected: Count = Field(0, description="Number of tickets that were accepted and that the ledger had no room for.")
    oversold: Count = Field(0, description="Number of tickets booked beyond total. Always 0 if the strategy is exact.")
    rebooked: Count = Field(
        0, description="Number of tickets in bookings that the ledger had lost and that were made again."
    )


class DriftStatus(CamelModel):
    """By how many tickets Redis and the ledger disagree, and since when."""

    leaked: Count = Field(0, description="Number of tickets that left Redis without an order.")
    over_admitted: Count = Field(0, description="Number of tickets promised beyond the total.")
    unsold: Count = Field(
        0, description="Number of tickets that left Redis with orders that did not need them in the end."
    )
    lost: Count = Field(
        0, description="Number of tickets in accepted orders that Redis forgot before they were booked."
    )
    since_time: Time | None = Field(None, description="Time at which the present drift was first observed.")


class WorkersStatus(CamelModel):
    """The workers that this sale asks for, and those that there are."""

    desired: Count = Field(0, description="Number of workers that this sale alone asks for.")
    pool: Count = Field(0, description="Number of workers that the Deployment should have, for all sales.")
    ready: Count = Field(0, description="Number of ready workers in the pool.")


class LastReconcile(CamelModel):
    """The last reconciliation that changed something."""

    time: Time = Field(description="Time at which it ended.")
    trace_id: str = Field("", max_length=32, description="ID of its trace: 32 hexadecimal digits, or empty.")


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
    """One aspect of the sale's state, in the usual form of Kubernetes conditions."""

    type: ConditionType = Field(
        description="Type of the condition. Ready: the spec is in force. StockSeeded: the counter holds the stock of "
        "the round. WorkersAvailable: workers are ready to drain, or none are needed. LedgerConsistent: Redis and the "
        "ledger agree. Accepting: a purchase could succeed now."
    )
    status: ConditionStatus = Field(description="Status of the condition: True, False, or Unknown.")
    reason: str = Field(
        max_length=256,
        pattern=r"^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$",
        description="Reason for the status, as one word in CamelCase, for programs.",
    )
    message: str = Field("", max_length=4096, description="Message that explains the status, for people.")
    observed_generation: Count = Field(0, description="Generation of the resource that the condition is based on.")
    last_transition_time: Time = Field(description="Last time the status of the condition changed.")


class FlashSaleStatus(CamelModel):
    """Observed state of the sale. Only the operator writes it."""

    observed_generation: Count = Field(0, description="Generation of the resource that this status is based on.")
    phase: Phase | None = Field(
        None, description="Phase of the sale's lifecycle: the first one that applies, beginning with Degraded."
    )
    round: int | None = Field(None, ge=1, le=MAX_COUNT, description="Round that was last reconciled.")
    epoch: int | None = Field(
        None, ge=1, le=MAX_COUNT, description="Fencing token of the sale, raised by every round and every recount."
    )
    stock: StockStatus | None = Field(None, description=StockStatus.__doc__)
    drift: DriftStatus | None = Field(None, description=DriftStatus.__doc__)
    workers: WorkersStatus | None = Field(None, description=WorkersStatus.__doc__)
    conditions: tuple[Condition, ...] = Field((), max_length=16, description="Ready, and the conditions behind it.")
    last_reconcile: LastReconcile | None = Field(None, description=LastReconcile.__doc__)


class Metadata(CamelModel):
    """The metadata of an object that the operator reads."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    annotations: dict[str, str] = {}

    @property
    def adopts(self) -> bool:
        """Return whether the resource may take over a sale that was created over HTTP."""
        return self.annotations.get(ADOPT) == "true"


class FlashSale(CamelModel):
    """A sale of one kind of ticket. The operator creates the sale as declared and keeps it in that state."""

    metadata: Metadata
    spec: FlashSaleSpec
    status: FlashSaleStatus = FlashSaleStatus()

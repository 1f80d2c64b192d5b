"""Attempts and witnesses as JSON. They are public, so they never contain a customer's name."""

from pydantic import BaseModel, ConfigDict, Field

from app.sales.attempt import Hazard


class AttemptOut(BaseModel):
    """The window of one purchase, from its read to its commit. Times are Unix seconds of the pod's own clock."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="From 1 in the round, in the order in which the attempts became known.")
    strategy: str
    hazard: Hazard = Field(description="The kind of race if two attempts that wrote had read one version.")
    guarded: str = Field(
        serialization_alias="guards",
        description="The thing that has the version: `stock`, or the tickets of a `customer`.",
    )
    quantity: int
    version_read: str
    value_read: int = Field(description="Tickets left, or held by the customer.")
    read_at: float
    version_written: str | None
    value_written: int | None
    wrote_at: float | None = Field(description="The time of the commit; null if nothing was committed.")
    reservation_id: str | None
    pod: str
    process: str = Field(
        description="The process id. All processes of a machine have the same `pod` unless POD_NAME is set."
    )
    trace_id: str | None = Field(description="Null if the request was not sampled.")
    span_id: str | None = Field(description="The id of the window's span; null if the request was not sampled.")


class WitnessOut(BaseModel):
    """Two attempts that read one version and both wrote. Each writer is paired with the one before."""

    model_config = ConfigDict(from_attributes=True)

    hazard: Hazard
    first: AttemptOut
    second: AttemptOut


class Page(BaseModel):
    sale: str
    round: int
    trace_url: str | None = Field(
        description="The page of a trace, with `{trace_id}` in it; null unless Jaeger's address is set."
    )
    next: int | None = Field(description="The value of `after` for the next page; null on the last page.")


class AttemptPage(Page):
    attempts: list[AttemptOut]


class WitnessPage(Page):
    latest: int = Field(description="The highest number of an attempt of the round so far.")
    total: int = Field(description="The number of witnesses after `after`.")
    written: int = Field(
        description="The number of purchases after `after` whose committed write is recorded. The evidence of a load "
        "is complete when it equals the number of accepted purchases."
    )
    witnesses: list[WitnessOut]

"""Attempts and witnesses as JSON. A customer's name is in none: anybody may read them."""

from pydantic import BaseModel, ConfigDict, Field

from app.sales.attempt import Hazard


class AttemptOut(BaseModel):
    """The window of one purchase, from its read to its commit. Times are Unix seconds of the pod's own clock."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="From 1 on in the round, in the order in which the attempts became known.")
    strategy: str
    hazard: Hazard = Field(description="What it is when two that wrote had read one version.")
    guarded: str = Field(
        serialization_alias="guards", description="What the version is of: `stock`, or the tickets of a `customer`."
    )
    quantity: int
    version_read: str
    value_read: int = Field(description="Tickets left, or held by the customer.")
    read_at: float
    version_written: str | None
    value_written: int | None
    wrote_at: float | None = Field(description="The commit; null where nothing was committed.")
    reservation_id: str | None
    pod: str
    process: str = Field(description="Several processes of one machine share a pod's name, unless POD_NAME tells.")
    trace_id: str | None = Field(description="Null where the request was not sampled.")
    span_id: str | None = Field(description="Of the window's span.")


class WitnessOut(BaseModel):
    """Two attempts that read one version and both wrote. Each writer is paired with the one before."""

    model_config = ConfigDict(from_attributes=True)

    hazard: Hazard
    first: AttemptOut
    second: AttemptOut


class Page(BaseModel):
    sale: str
    round: int
    trace_url: str | None = Field(description="The page of a trace, where Jaeger's address is set.")
    next: int | None = Field(description="The following `after`; null where there is no more.")


class AttemptPage(Page):
    attempts: list[AttemptOut]


class WitnessPage(Page):
    latest: int = Field(description="The highest number of an attempt of the round so far.")
    total: int = Field(description="Witnesses beyond `after`.")
    written: int = Field(
        description="Purchases beyond `after` whose committed write is recorded. The evidence of a load is complete "
        "when they are as many as were accepted."
    )
    witnesses: list[WitnessOut]

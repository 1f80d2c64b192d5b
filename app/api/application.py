"""FastAPI, but for two things: the purchase route's own lane, and problem documents in the OpenAPI document."""

from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.api import (
    blasts,
    buying,
    dashboard,
    docs_page,
    evidence,
    live,
    probes,
    problem_types,
    reservations,
    sales,
    tickets,
)
from app.api import exception_handlers as faults
from app.api.bodies import SmallBodies
from app.api.lab import router_of
from app.api.lab_control import LabControl
from app.api.problems import Problem
from app.api.purchase_lane import PATH, answer_purchase
from app.api.tracing import FRAMEWORK, named
from app.telemetry.sampling import NOTHING, Sampling
from app.telemetry.tracing import tracing_is_on

DESCRIPTION = """
Sells the tickets of flash sales, with many replicas and more buyers than tickets: in every way that a sale's `strategy`
names, from the race (`naive`) to its cure (`atomic`), behind one API.

* `POST /buy-ticket` is safe to repeat with the same idempotency key.
* Errors are `application/problem+json` (RFC 9457); each type is explained at its `type`, and all at `/problems`.
"""


class Application(FastAPI):
    """Routes, errors and limits of the service. What they call comes with the lifespan's state."""

    def __init__(self, *, body_limit_bytes: int, lab: LabControl | None = None, **options: Any) -> None:
        super().__init__(
            title="AtomicTickets",
            description=DESCRIPTION,
            redirect_slashes=False,
            docs_url=None,
            redoc_url=None,
            telemetry=FRAMEWORK,
            **options,
        )
        self._sampling = Sampling.of_environment() if tracing_is_on() else NOTHING
        self.add_middleware(SmallBodies, limit_bytes=body_limit_bytes)
        faults.install(self)
        docs_page.install(self)
        self.router.routes.append(buying.route())
        dashboard.install(self)
        for module in (reservations, sales, tickets, blasts, evidence, live, probes, problem_types):
            self.include_router(module.router)
        if lab is not None:
            self.include_router(router_of(lab))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif scope["method"] == "POST" and is_purchase(scope):
            await answer_purchase(self._sampling, scope, receive, send)
        else:
            await named(super().__call__, scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Adds the problem document's schema, to which every route's `problems(...)` refers."""
        if self.openapi_schema is None:
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            nested = problem.pop("$defs")
            super().openapi()["components"]["schemas"] |= {"Problem": problem} | nested
        return super().openapi()


def is_purchase(scope: Scope) -> bool:
    """Under a path prefix too, where the application is mounted in another."""
    path: str = scope["path"]
    return path == PATH or path == scope.get("root_path", "") + PATH

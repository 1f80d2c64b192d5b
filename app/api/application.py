"""The FastAPI application, with a faster lane for purchases and with problem documents in its OpenAPI document."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from app.api import (
    blasts,
    buying,
    dashboard,
    docs_page,
    evidence,
    exception_handlers,
    live,
    probes,
    problem_types,
    reservations,
    sales,
    tickets,
)
from app.api.bodies import SmallBodies
from app.api.lab import lab_router
from app.api.lab_control import LabControl
from app.api.problems import Problem
from app.api.purchase_lane import PATH, answer_purchase
from app.api.tracing import FRAMEWORK, with_trace_id
from app.telemetry.sampling import NEVER, Sampling
from app.telemetry.tracing import tracing_is_on

DESCRIPTION = """
Sells the tickets of flash sales, over many replicas and to more buyers than there are tickets. The `strategy` of a sale
decides how it sells, from the strategy that races (`naive`) to the one that cures the race (`atomic`).

* `POST /buy-ticket` may be repeated safely with the same idempotency key.
* Errors are `application/problem+json` (RFC 9457). The `type` of a problem is the path that explains it; `/problems`
  lists all types.
"""


class Application(FastAPI):
    """The routes, error handlers and limits of the service. The lifespan provides the services that they call."""

    def __init__(self, *, body_limit_bytes: int, lab: LabControl | None = None, **options: Any) -> None:
        super().__init__(
            title="AtomicTickets",
            description=DESCRIPTION,
            redirect_slashes=False,
            docs_url=None,
            redoc_url=None,
            telemetry=FRAMEWORK,
            generate_unique_id_function=operation_id,
            **options,
        )
        self._sampling = Sampling.from_environment() if tracing_is_on() else NEVER
        self.add_middleware(SmallBodies, limit_bytes=body_limit_bytes)
        exception_handlers.install(self)
        docs_page.install(self)
        self.router.routes.append(buying.route())
        dashboard.install(self)
        for module in (reservations, sales, tickets, blasts, evidence, live, probes, problem_types):
            self.include_router(module.router)
        if lab is not None:
            self.include_router(lab_router(lab))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif scope["method"] == "POST" and is_purchase(scope):
            await answer_purchase(self._sampling, scope, receive, send)
        else:
            await with_trace_id(super().__call__, scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, with the schema of the problem documents to which the routes refer."""
        if self.openapi_schema is None:
            document = super().openapi()
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            nested = problem.pop("$defs")
            document["components"]["schemas"] |= {"Problem": problem} | nested
            docs_page.fill_in(document)
        return super().openapi()


def operation_id(route: APIRoute) -> str:
    """Return the name of the function behind a route: /docs and generated clients call the operation by it."""
    return route.name


def is_purchase(scope: Scope) -> bool:
    """Return whether the path is the purchase route, also under the prefix of an application that mounts this one."""
    path: str = scope["path"]
    return path == PATH or path == scope.get("root_path", "") + PATH

"""The services that the routes call. The application's lifespan builds them; each request's state carries them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.api.readiness import Readiness
from app.ledger.attempts import AttemptRepository
from app.ledger.blasts import BlastRepository
from app.ledger.tickets import TicketRepository
from app.live.watching import Live
from app.services.purchases import PurchaseService
from app.services.reservations import Reservations
from app.services.sales import SalesService
from app.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services and settings of one API process."""

    purchases: PurchaseService
    sales: SalesService
    reservations: Reservations
    tickets: TicketRepository
    blasts: BlastRepository
    attempts: AttemptRepository
    think_ms: int
    trace_url: str | None
    live: Live
    readiness: Readiness
    metrics: Metrics
    admin_token: str | None
    body_limit_bytes: int


async def installed_services(request: Request) -> Services:
    """Return the services of the process. A dependency of routes."""
    services: Services = request.state.services
    return services


InstalledServices = Annotated[Services, Depends(installed_services)]


async def require_ready(services: InstalledServices) -> None:
    """Raise NotReady until the process has started: before that, the stores may belong to another installation."""
    services.readiness.require()

"""What the routes call: built once by the application's lifespan, and carried by each request's state."""

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
    services: Services = request.state.services
    return services


InstalledServices = Annotated[Services, Depends(installed_services)]


async def require_ready(services: InstalledServices) -> None:
    """Raises NotReady while the process starts: before that the stores may be those of another installation."""
    services.readiness.require()

"""The second floor: `python -m app.lab.bench.constant_gate_app`.

It is the service's purchase route with a strategy that accepts at once, without asking a gate.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import ClassVar

from fastapi import FastAPI

from app.api.application import Application
from app.api.readiness import Readiness
from app.api.services import Services
from app.lab.bench.serving import serve
from app.ledger.engine import make_engine
from app.ledger.sales import SaleRepository
from app.main import Settings, open_services
from app.sales.model import Purchase, ReservationId, Sale
from app.sales.outcomes import Outcome, Reserved
from app.sales.strategy import AcceptedIn, Snapshot
from app.services.catalog import SaleCatalog
from app.services.purchases import PurchaseService


class ConstantStrategy:
    """A strategy that accepts every purchase without asking a store."""

    name: ClassVar[str] = "atomic"
    promises_exactness: ClassVar[bool] = True
    sells_at_gate: ClassVar[bool] = True
    keeps_limit: ClassVar[bool] = True
    accepted_in: ClassVar[AcceptedIn] = AcceptedIn.STREAM

    async def buy(self, purchase: Purchase) -> Outcome:
        reservation = ReservationId(purchase.sale, 1, "1700000000000-0", purchase.nonce)
        return Reserved(reservation, purchase.quantity)

    async def prepare(self, sale: Sale) -> None: ...

    async def snapshot(self, sale: Sale) -> Snapshot | None:  # noqa: ARG002  as in the protocol
        return None

    async def is_pending(self, reservation: ReservationId) -> bool:  # noqa: ARG002  as in the protocol
        return False

    async def close(self) -> None: ...


def create_app() -> FastAPI:
    """Return the application of `app.main.create_app`, with the constant strategy behind the purchase route."""
    settings, readiness = Settings(), Readiness()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Services]]:
        async with AsyncExitStack() as stack:
            services = await open_services(settings, readiness, stack)
            engine = make_engine(settings.stores.database_url, "api", settings.ledger)
            stack.push_async_callback(engine.dispose)
            catalog = SaleCatalog(SaleRepository(engine), {ConstantStrategy.name: ConstantStrategy()})
            yield {"services": replace(services, purchases=PurchaseService(catalog))}

    application = Application(body_limit_bytes=settings.api.body_limit_bytes, lifespan=lifespan)
    application.state.readiness = readiness
    return application


if __name__ == "__main__":
    application = create_app()
    serve(application, application.state.readiness, "constant-gate")

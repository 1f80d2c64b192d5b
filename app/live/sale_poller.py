"""Poll the sales while there are watchers, and publish the changes. Of all processes, one polls at a time."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic_core import to_jsonable_python

from app.errors import AtomicTicketsError
from app.ledger.tickets import TicketRepository
from app.live.events import Event, source
from app.live.resources import ResourceReports
from app.live.stream import LiveStream, LiveUnavailable
from app.sales.model import UnknownSale
from app.services.sales import SalesService

TURN_SECONDS = 0.1
RESYNC_SECONDS = 1.0
MAX_SALES = 50
MIN_PAUSE_SECONDS = 0.2  # five payloads a second for a sale that changes
IDLE_SECONDS = 2.0
IDLE_POLLS_PER_SECOND = 10  # of all sales that do not change, together
NOT_PUBLISHED = ""  # no state published yet: the process that polled before may have published one that is out of date
DEFECT_SECONDS = 30.0  # until a sale that could not be polled is tried again: each try logs a traceback
COST_FACTOR = 5  # polling a sale takes a sixth of the time at most, however large the sale

log = structlog.get_logger()


@dataclass(slots=True)
class PolledSale:
    """A sale that is polled.

    due_at: when to poll it again (monotonic seconds)
    published: the payload that was last published
    pause: seconds until the next poll, at least
    """

    due_at: float = 0.0
    published: dict[str, Any] | None = None
    pause: float = MIN_PAUSE_SECONDS


class SalePoller:
    """The sale poller of one process. `process` is its name among all that could poll."""

    def __init__(
        self,
        stream: LiveStream,
        sales: SalesService,
        tickets: TicketRepository,
        resources: ResourceReports,
        process: str,
    ) -> None:
        self._stream = stream
        self._sales = sales
        self._tickets = tickets
        self._resources = resources
        self._process = process
        self._polled: dict[str, PolledSale] = {}
        self._listed_at = float("-inf")
        self._away: str | None = NOT_PUBLISHED

    async def run(self) -> None:
        """Poll until cancelled, whenever it is this process's turn."""
        while True:
            with suppress(LiveUnavailable):  # the hub, which reads the stream, notices and reports it
                if await self._stream.take_turn(self._process):
                    await self._take_turn()
                else:
                    self._polled.clear()  # another process publishes: what this one published last is out of date
                    self._listed_at = float("-inf")
                    self._away = NOT_PUBLISHED
            await asyncio.sleep(TURN_SECONDS)

    def handle_event(self, event: Event) -> None:
        """Poll a sale soon if the event is of its blast, which changes it. List the sales again if it is new."""
        if event.name != "blast":
            return
        polled = self._polled.get(json.loads(event.data)["sale"])
        if polled is None:
            self._listed_at = float("-inf")
        else:
            polled.due_at = min(polled.due_at, time.monotonic() + MIN_PAUSE_SECONDS)

    async def payload(self, name: str) -> dict[str, Any]:
        """Return the sale as watchers receive it. Raise UnknownSale."""
        view = await self._sales.view(name)
        tickets = await self._tickets.map(name, view.round, view.stock)
        payload: dict[str, Any] = to_jsonable_python(view)
        resource = await self._resources.status_of(name) if view.managed_by == "flashsale" else None
        return payload | {"tickets": to_jsonable_python(tickets), "resource": resource}

    async def _take_turn(self) -> None:
        """Poll the sales that are due.

        If the ledger is away, publish once that the figures are old, and once that they are current again.
        """
        away = None
        try:
            await self._poll_due_sales()
        except LiveUnavailable:
            raise
        except AtomicTicketsError as error:
            away = error.detail
        if away != self._away:
            await self._stream.publish(source(away))
            self._away = away

    async def _poll_due_sales(self) -> None:
        if time.monotonic() - self._listed_at >= RESYNC_SECONDS:
            await self._resync()
        for name, polled in list(self._polled.items()):
            if time.monotonic() >= polled.due_at:
                await self._poll_sale(name, polled)

    async def _resync(self) -> None:
        """Read which sales to poll."""
        self._listed_at = time.monotonic()
        active = {sale.name for sale in await self._sales.active(limit=MAX_SALES)}
        for name in active - self._polled.keys():
            self._polled[name] = PolledSale()
        for name in self._polled.keys() - active:  # the sale ended: publish one last payload
            await self._poll_sale(name, self._polled.pop(name))

    async def _poll_sale(self, name: str, polled: PolledSale) -> None:
        """Publish the sale if it has changed, and set when to poll it again."""
        began = time.monotonic()
        try:
            payload = await self.payload(name)
        except UnknownSale:
            return
        except AtomicTicketsError:
            raise
        except Exception:  # one broken sale must not keep the others from being polled
            log.exception("a sale could not be polled; tried again later", sale=name)
            polled.due_at = time.monotonic() + DEFECT_SECONDS
            return
        cost = time.monotonic() - began
        changed = payload != polled.published
        if changed:
            await self._stream.publish(Event.of("sale", payload))
            polled.published = payload
        polled.pause = MIN_PAUSE_SECONDS if changed else min(2 * polled.pause, self._idle_seconds())
        polled.due_at = time.monotonic() + max(polled.pause, COST_FACTOR * cost)

    def _idle_seconds(self) -> float:
        return max(IDLE_SECONDS, len(self._polled) / IDLE_POLLS_PER_SECOND)

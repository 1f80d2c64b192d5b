"""A sale as the lab stages and reads it over HTTP, at a service whose processes may be starting."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from app.client import ApiNotReady, Document, SaleClient
from app.lab.stack import waiting
from app.lab.stack.waiting import NotInTime, poll

Answer = TypeVar("Answer")


async def until(client: SaleClient, sale: str, event: str, holds: Callable[[Document], bool]) -> Document:
    """Return the sale as soon as `holds` is true of it. Raise NotInTime."""

    async def look() -> Document | None:
        with suppress(ApiNotReady):
            found = await client.sale(sale)
            if found is not None and holds(found):
                return found
        return None

    found = await poll(look, seconds=waiting.PATIENCE_SECONDS)
    if found is None:
        raise NotInTime(f"Not within {waiting.PATIENCE_SECONDS:.0f} s: {sale} {event}.")
    return found


async def when_ready(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until the service is ready. For requests that are safe to repeat. Raise the last ApiNotReady."""
    refused: list[ApiNotReady] = []

    async def look() -> list[Answer] | None:
        try:
            return [await ask()]
        except ApiNotReady as error:
            refused[:] = [error]
            return None

    answered = await poll(look, seconds=waiting.PATIENCE_SECONDS)
    if answered is None:
        raise refused[0]
    return answered[0]


def is_open(sale: Document) -> bool:
    return bool(sale["phase"] == "Open")


def every_figure_is_known(sale: Document) -> bool:
    """Return whether no figure is null, as those of the counter are while its store is away."""
    return all(sale[name] is not None for name in ("remaining", "backlog", "undersold", "counter_says"))

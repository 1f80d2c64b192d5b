"""The witnesses of a load: the pairs of purchases that collided in it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from app.client import Document, SaleClient

MAX_PAIRS = 20  # pairs in a report; all are counted, and GET /sales/{sale}/witnesses returns them
PAIRS_READ = 200  # to find some pairs of two pods; most are of one pod, because each pod writes in batches
TIMEOUT_SECONDS = 5.0  # API processes write attempts within 0.1 s; attempts that they dropped never arrive
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Witnesses:
    """The witnesses of one load.

    `total`: number of pairs
    `written`: purchases whose committed write is recorded
    `pairs`: some of the pairs as the API returns them, and for each side its `trace_url`. Pairs of two pods come first,
        because a collision within one process surprises less.
    """

    total: int = 0
    written: int = 0
    pairs: tuple[Document, ...] = ()

    @classmethod
    def of(cls, total: int, written: int, pairs: Iterable[Document], trace_url: str | None) -> "Witnesses":
        """Return witnesses with the most telling of these pairs.

        `trace_url` is the address of a trace's page, with `{trace_id}` in it, or None if there is no such page.
        """
        ordered = sorted(pairs, key=lambda pair: bool(pair["first"]["pod"] == pair["second"]["pod"]))
        return cls(total, written, tuple(_with_pages(pair, trace_url) for pair in ordered[:MAX_PAIRS]))

    def as_json(self) -> dict[str, Any]:
        return {"total": self.total, "written": self.written, "pairs": list(self.pairs)}

    def lines(self, most: int) -> list[str]:
        """Return the first pairs as lines of text."""
        return [line for pair in self.pairs[:most] for line in _lines_of(pair)]


async def wait_until_complete(fetch: Callable[[], Awaitable[Witnesses]], accepted: int) -> Witnesses:
    """Call `fetch` until as many writes are recorded as purchases were accepted, for TIMEOUT_SECONDS at most."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (found := await fetch()).written < accepted and time.monotonic() < deadline:  # noqa: ASYNC110  others write
        await asyncio.sleep(POLL_SECONDS)
    return found


async def read_witnesses(client: SaleClient, sale: str, after: int = 0) -> Witnesses:
    """Read the witnesses of the present round from the API.

    `after` is the number of the last attempt before the load.
    """
    page = await client.witnesses(sale, after=after, limit=PAIRS_READ)
    return Witnesses.of(page["total"], page["written"], page["witnesses"], page["trace_url"])


def _with_pages(pair: Document, trace_url: str | None) -> Document:
    return pair | {side: pair[side] | {"trace_url": _page(pair[side], trace_url)} for side in ("first", "second")}


def _page(attempt: Document, trace_url: str | None) -> str | None:
    if trace_url is None or attempt["trace_id"] is None:
        return None
    return trace_url.format(trace_id=attempt["trace_id"])


def _lines_of(pair: Document) -> Iterable[str]:
    first, second = pair["first"], pair["second"]
    unit = "left" if first["guards"] == "stock" else "held"
    yield (
        f"{pair['hazard']}: {first['pod']} and {second['pod']} read version {first['version_read']}, "
        f"{first['value_read']} {unit}, and both wrote"
    )
    for attempt in (first, second):
        yield f"  version {attempt['version_written']}, {attempt['value_written']} {unit}: {attempt['reservation_id']}"
        if attempt["trace_id"] is not None:
            yield f"    trace {attempt['trace_url'] or attempt['trace_id']}"

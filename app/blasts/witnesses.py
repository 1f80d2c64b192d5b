"""The pairs of purchases that collided in a load, as its report names them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from app.client import Document, SaleClient

NAMED = 20  # pairs; all are counted, and GET /sales/{sale}/witnesses has them
LOOKED_AT = 200  # the first pairs, to name those of two pods: each pod stores in batches, so most are of one
PATIENCE_SECONDS = 2.0  # API processes send theirs within a tenth of a second; what they lost never comes
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Witnesses:
    """`total` pairs, of which `pairs` has a few, as the API tells them; each side with its `trace_url`.

    Those of two pods come first: that one process collides with itself surprises fewer.
    `written`: purchases whose committed write is recorded.
    """

    total: int = 0
    written: int = 0
    pairs: tuple[Document, ...] = ()

    @classmethod
    def of(cls, total: int, written: int, pairs: Iterable[Document], trace_url: str | None) -> "Witnesses":
        """`trace_url`: the page of a trace, with `{trace_id}` in it; None where nobody looks at traces."""
        telling = sorted(pairs, key=lambda pair: bool(pair["first"]["pod"] == pair["second"]["pod"]))
        return cls(total, written, tuple(_with_pages(pair, trace_url) for pair in telling[:NAMED]))

    def as_json(self) -> dict[str, Any]:
        return {"total": self.total, "written": self.written, "pairs": list(self.pairs)}

    def lines(self, most: int) -> list[str]:
        """The first pairs as text."""
        return [line for pair in self.pairs[:most] for line in _lines_of(pair)]


async def when_complete(look: Callable[[], Awaitable[Witnesses]], accepted: int) -> Witnesses:
    """Looks until as many writes are recorded as were accepted, for two seconds at most."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (seen := await look()).written < accepted and time.monotonic() < deadline:  # noqa: ASYNC110  as others write
        await asyncio.sleep(LOOK_SECONDS)
    return seen


async def read(client: SaleClient, sale: str, after: int = 0) -> Witnesses:
    """Of the present round, as the API tells; `after`: what was the latest number before the load."""
    page = await client.witnesses(sale, after=after, limit=LOOKED_AT)
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

"""GET /live of a real API process: the first events of a watcher, the events after a reconnect, and the end."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from httpx2 import AsyncClient

from app.ledger.migrate import migrate
from app.live.events import Event, position
from app.live.stream import LiveStream
from tests.api.conftest import Served
from tests.support.live import first, watching

SALE = {"name": "drop", "strategy": "atomic", "stock": 10}


async def with_a_sale(served: Served) -> None:
    await served.ready()
    async with AsyncClient(base_url=served.url) as client:
        assert (await client.post("/sales", json=SALE)).status_code == 201


async def buy(served: Served, customer: str) -> None:
    async with AsyncClient(base_url=served.url) as client:
        order = {"sale": "drop", "customer": customer}
        assert (await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"})).status_code == 200


async def test_a_watcher_gets_a_snapshot_and_then_the_changes(serve: Callable[..., Served]) -> None:
    served = serve()
    await with_a_sale(served)
    async with asyncio.timeout(30), watching(served.url) as events:
        snapshot = await first(events, "snapshot")
        assert [(sale["name"], sale["remaining"]) for sale in snapshot.data["sales"]] == [("drop", 10)]
        assert {strategy["name"] for strategy in snapshot.data["strategies"]} >= {"naive", "atomic"}
        await buy(served, "ada")
        while (sale := (await first(events, "sale")).data)["remaining"] != 9:
            pass
    async with AsyncClient(base_url=served.url) as client:
        assert sale["tickets"] == (await client.get("/sales/drop/tickets")).json()
        view = (await client.get("/sales/drop")).json()
    assert {name: sale[name] for name in ("stock", "epoch", "round", "opens_at")} == {
        name: view[name] for name in ("stock", "epoch", "round", "opens_at")
    }


async def test_a_watcher_that_reconnects_gets_the_missed_events_only(
    serve: Callable[..., Served], stream: LiveStream
) -> None:
    served = serve()
    await with_a_sale(served)
    for number in range(3):
        await stream.publish(Event.of("blast", {"id": str(number), "sale": "drop"}))
    ids = [event.id for event in await stream.after("0-0")]
    async with asyncio.timeout(30), watching(served.url, ids[0]) as events:
        assert [
            (event.id, event.data["id"]) for event in [await first(events, "blast"), await first(events, "blast")]
        ] == [
            (ids[1], "1"),
            (ids[2], "2"),
        ]


async def test_a_watcher_that_was_away_for_too_long_gets_a_snapshot(
    serve: Callable[..., Served], stream: LiveStream
) -> None:
    served = serve()
    await with_a_sale(served)
    await stream.publish(Event.of("blast", {"id": "1", "sale": "drop"}))
    published = await stream.last_id()
    async with asyncio.timeout(30), watching(served.url, "1-0") as events:
        snapshot = await first(events, "snapshot")
        assert snapshot.id is not None
        assert position(snapshot.id) >= position(published)


async def test_the_stream_ends_when_the_process_is_to_end(serve: Callable[..., Served]) -> None:
    served = serve()
    await with_a_sale(served)
    async with asyncio.timeout(30), watching(served.url) as events:
        await first(events, "snapshot")
        served.signal(signal.SIGTERM)
        assert (await first(events, "goodbye")).data == {"reason": "leaving"}
    async with asyncio.timeout(30):
        assert await served.ended() == 0
    assert "Traceback" not in served.log.read_text()


async def test_two_processes_send_their_watchers_the_same(serve: Callable[..., Served]) -> None:
    one, other = serve(), serve()
    await with_a_sale(one)
    await other.ready()
    async with asyncio.timeout(30), watching(one.url) as events, watching(other.url) as other_events:
        for stream in (events, other_events):
            await first(stream, "snapshot")
        await buy(other, "ada")
        ids = {}
        for name, stream in (("one", events), ("other", other_events)):
            while (event := await first(stream, "sale")).data["remaining"] != 9:
                pass
            ids[name] = event.id
        assert ids["one"] == ids["other"]


async def test_without_the_ledger_the_figures_are_reported_as_old(
    serve: Callable[..., Served], make_postgres: Callable[..., Any]
) -> None:
    postgres = make_postgres()
    await migrate(postgres.url)
    served = serve(DATABASE_URL=postgres.url)
    await with_a_sale(served)
    async with asyncio.timeout(60), watching(served.url) as events:
        await first(events, "snapshot")
        postgres.kill()
        while (await first(events, "source")).data["state"] != "away":
            pass
        postgres.start()
        while (await first(events, "source")).data != {"state": "ok"}:  # while it starts, it refuses connections
            pass

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


async def test_a_watcher_is_told_all_and_then_what_changes(serve: Callable[..., Served]) -> None:
    served = serve()
    await with_a_sale(served)
    async with asyncio.timeout(30), watching(served.url) as told:
        snapshot = await first(told, "snapshot")
        assert [(sale["name"], sale["remaining"]) for sale in snapshot.data["sales"]] == [("drop", 10)]
        assert {each["name"] for each in snapshot.data["strategies"]} >= {"naive", "atomic"}
        await buy(served, "ada")
        while (sale := (await first(told, "sale")).data)["remaining"] != 9:
            pass
    async with AsyncClient(base_url=served.url) as client:
        assert sale["tickets"] == (await client.get("/sales/drop/tickets")).json()
        view = (await client.get("/sales/drop")).json()
    assert {name: sale[name] for name in ("stock", "epoch", "round", "opens_at")} == {
        name: view[name] for name in ("stock", "epoch", "round", "opens_at")
    }


async def test_who_comes_back_is_told_what_was_missed_and_no_more(
    serve: Callable[..., Served], stream: LiveStream
) -> None:
    served = serve()
    await with_a_sale(served)
    for number in range(3):
        await stream.publish(Event.of("blast", {"id": str(number), "sale": "drop"}))
    ids = [event.id for event in await stream.after("0-0")]
    async with asyncio.timeout(30), watching(served.url, ids[0]) as told:
        assert [(event.id, event.data["id"]) for event in [await first(told, "blast"), await first(told, "blast")]] == [
            (ids[1], "1"),
            (ids[2], "2"),
        ]


async def test_who_was_away_for_too_long_is_told_all(serve: Callable[..., Served], stream: LiveStream) -> None:
    served = serve()
    await with_a_sale(served)
    await stream.publish(Event.of("blast", {"id": "1", "sale": "drop"}))
    published = await stream.last_id()
    async with asyncio.timeout(30), watching(served.url, "1-0") as told:
        snapshot = await first(told, "snapshot")
        assert snapshot.id is not None
        assert position(snapshot.id) >= position(published)


async def test_the_stream_ends_when_the_process_is_to_end(serve: Callable[..., Served]) -> None:
    served = serve()
    await with_a_sale(served)
    async with asyncio.timeout(30), watching(served.url) as told:
        await first(told, "snapshot")
        served.signal(signal.SIGTERM)
        assert (await first(told, "goodbye")).data == {"why": "leaving"}
    async with asyncio.timeout(30):
        assert await served.ended() == 0
    assert "Traceback" not in served.log.read_text()


async def test_two_processes_tell_their_watchers_the_same(serve: Callable[..., Served]) -> None:
    one, other = serve(), serve()
    await with_a_sale(one)
    await other.ready()
    async with asyncio.timeout(30), watching(one.url) as told, watching(other.url) as told_elsewhere:
        for each in (told, told_elsewhere):
            await first(each, "snapshot")
        await buy(other, "ada")
        seen = {}
        for name, each in (("one", told), ("other", told_elsewhere)):
            while (event := await first(each, "sale")).data["remaining"] != 9:
                pass
            seen[name] = event.id
        assert seen["one"] == seen["other"]


async def test_without_the_ledger_the_figures_are_said_to_be_old(
    serve: Callable[..., Served], make_postgres: Callable[..., Any]
) -> None:
    postgres = make_postgres()
    await migrate(postgres.url)
    served = serve(DATABASE_URL=postgres.url)
    await with_a_sale(served)
    async with asyncio.timeout(60), watching(served.url) as told:
        await first(told, "snapshot")
        postgres.kill()
        while (await first(told, "source")).data["state"] != "away":
            pass
        postgres.start()
        while (await first(told, "source")).data != {"state": "ok"}:  # while it starts, it refuses connections
            pass

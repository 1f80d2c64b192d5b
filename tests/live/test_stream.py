"""The events that the broker keeps, and the process whose turn it is to poll the sales."""

import pytest

from app.live import stream as stream_module
from app.live.events import Event
from app.live.stream import LiveStream


async def test_the_stream_stays_small(stream: LiveStream) -> None:
    for number in range(stream_module.KEPT_EVENTS + 300):
        await stream.publish(Event.of("blast", {"id": str(number)}))
    kept = await stream.after("0-0")
    assert len(kept) <= stream_module.KEPT_EVENTS + 200  # the server trims whole nodes of 100 entries
    assert not await stream.reaches_back_to("1-0")
    assert await stream.reaches_back_to(str(kept[0].id))


async def test_one_of_all_processes_polls_the_sales(stream: LiveStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "POLLER_SECONDS", 60)
    assert [await stream.take_turn(name) for name in ("one", "other", "one", "other")] == [True, False, True, False]

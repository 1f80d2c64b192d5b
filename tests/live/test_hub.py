"""Watchers that read too slowly, and watchers beyond the limit."""

import pytest

from app.live import hub as hub_module
from app.live.events import LAGGING, LEAVING, Event
from app.live.hub import Hub, TooManyWatchers, Watcher
from app.live.sale_poller import SalePoller
from app.live.stream import LiveStream


class BlindPoller(SalePoller):
    """A poller that reads nothing, because these tests are about watchers alone."""

    def __init__(self) -> None:
        """Need no stores."""

    async def run(self) -> None:
        """End at once."""

    def handle_event(self, event: Event) -> None:
        """Ignore the event."""


async def test_a_watcher_that_reads_too_slowly_is_disconnected() -> None:
    watcher = Watcher()
    for number in range(hub_module.WAITING_EVENTS + 50):
        watcher.send(Event.of("blast", number, f"{number}-0"))
    events = [await watcher.next() for _ in range(hub_module.WAITING_EVENTS + 1)]
    assert events[-1] is watcher.ending is LAGGING
    assert [event.id for event in events[:-1]] == [f"{number}-0" for number in range(hub_module.WAITING_EVENTS)]


async def test_there_is_a_limit_of_watchers(stream: LiveStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_WATCHERS", 2)
    hub = Hub(stream, BlindPoller(), leaving=lambda: False)
    one, _ = hub.join(), hub.join()
    with pytest.raises(TooManyWatchers):
        hub.join()
    await hub.leave(one)
    hub.join()
    await hub.close()


async def test_a_process_that_ends_takes_no_more_watchers(stream: LiveStream) -> None:
    hub = Hub(stream, BlindPoller(), leaving=lambda: True)
    assert await hub.join().next() is LEAVING
    await hub.close()

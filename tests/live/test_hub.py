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

    def heard(self, event: Event) -> None:
        """Ignore the event."""


async def test_who_reads_too_slowly_is_told_so_and_let_go() -> None:
    watcher = Watcher()
    for number in range(hub_module.WAITING_EVENTS + 50):
        watcher.tell(Event.of("blast", number, f"{number}-0"))
    told = [await watcher.next() for _ in range(hub_module.WAITING_EVENTS + 1)]
    assert told[-1] is watcher.ending is LAGGING
    assert [event.id for event in told[:-1]] == [f"{number}-0" for number in range(hub_module.WAITING_EVENTS)]


async def test_watchers_are_so_many_and_no_more(stream: LiveStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_WATCHERS", 2)
    hub = Hub(stream, BlindPoller(), leaving=lambda: False)
    one, _ = hub.join(), hub.join()
    with pytest.raises(TooManyWatchers):
        hub.join()
    await hub.leave(one)
    hub.join()
    await hub.close()


async def test_a_process_that_ends_takes_no_watchers_on(stream: LiveStream) -> None:
    hub = Hub(stream, BlindPoller(), leaving=lambda: True)
    assert await hub.join().next() is LEAVING
    await hub.close()

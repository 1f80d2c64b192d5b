"""Hints to a broker that hangs: only the thread that sends them waits for it."""

from structlog.testing import capture_logs

from app.drain.hints import Hints
from tests.support.silent_broker import SilentBroker
from tests.support.until import until

SALES = 30


async def test_closing_waits_for_one_hint_and_not_for_one_of_each_sale(silent_broker: SilentBroker) -> None:
    hints = Hints(silent_broker.url)
    for number in range(SALES):
        hints.send(f"sold-{number}")
        hints.send_later(f"owed-{number}")
    await until(silent_broker.was_met)
    with capture_logs() as logs:
        await hints.close()
    assert silent_broker.connections <= 2
    assert [line["event"] for line in logs] == ["the broker is away; orders wait for the workers' own sweep"]

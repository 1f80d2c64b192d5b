"""How the comparison reads and prepares a sale, against a real HTTP server whose answers the test decides."""

import time
from typing import Any

import pytest

from app.client import SaleClient
from app.lab.comparison.backlog_watch import BacklogWatch
from app.lab.comparison.sides import SIDES, Side, SideFailed, stage
from app.lab.stack import waiting
from app.lab.stack.sales import every_figure_is_known, until
from app.lab.stack.waiting import NotInTime, in_background, repeat
from tests.support.http_service import UNKNOWN, Answer, HttpService
from tests.support.project import PROJECT

DROP = SIDES[1]


def sale(side: Side = DROP, **other: Any) -> Answer:
    return 200, {**side.terms, "phase": "Open", "backlog": 0, **other}


@pytest.mark.parametrize(
    ("found", "change"),
    [
        (UNKNOWN, ("POST", "/sales")),
        (sale(phase="Closed"), ("POST", "/sales")),
        (sale(phase="SoldOut"), ("POST", f"/sales/{DROP.sale}/reset")),
    ],
)
async def test_a_side_starts_with_a_new_round(
    http_service: HttpService, found: Answer, change: tuple[str, str]
) -> None:
    http_service.answer = lambda method, _path: sale() if method == "POST" or change in http_service.requests else found
    await stage(SaleClient(http_service.url), DROP)
    assert [request for request in http_service.requests if request[0] == "POST"] == [change]
    assert http_service.requests[-1] == ("GET", f"/sales/{DROP.sale}")


async def test_a_sale_with_other_terms_is_left_alone(http_service: HttpService) -> None:
    http_service.answer = lambda _method, _path: sale(stock=11)
    with pytest.raises(SideFailed, match="other terms"):
        await stage(SaleClient(http_service.url), DROP)
    assert http_service.requests == [("GET", f"/sales/{DROP.sale}")]


async def test_waiting_ends(http_service: HttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "TIMEOUT_SECONDS", 0.1)
    http_service.answer = lambda _method, _path: sale(phase="Seeding")
    with pytest.raises(NotInTime, match="opened"):
        await until(SaleClient(http_service.url), "drop", "opened", lambda found: found["phase"] == "Open")


def test_a_figure_that_is_null_is_not_known() -> None:
    figures = dict.fromkeys(("remaining", "backlog", "undersold", "counter_says"), 0)
    assert every_figure_is_known(figures)
    assert not any(every_figure_is_known({**figures, name: None}) for name in figures)


async def test_an_empty_backlog_counts_only_when_seen_after_the_last_acceptance(http_service: HttpService) -> None:
    accepted = False
    backlogs = iter([3, 1])

    def answer(_method: str, _path: str) -> Answer:
        return sale(backlog=next(backlogs, 0) if accepted else 0)

    http_service.answer = answer
    watch = BacklogWatch(SaleClient(http_service.url), "drop")
    async with in_background(repeat(watch.poll, every_seconds=0.02)):
        await watch.first_without_backlog(since=0.0)
        accepted, since = True, time.time()
        empty_at = await watch.first_without_backlog(since=since)
    assert empty_at is not None
    assert empty_at >= since
    assert next(backlogs, None) is None  # both backlogs were read, although empty ones had come before them


async def test_a_backlog_that_stays_has_no_such_moment(
    http_service: HttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "TIMEOUT_SECONDS", 0.1)
    http_service.answer = lambda _method, _path: sale(backlog=1)
    watch = BacklogWatch(SaleClient(http_service.url), "drop")
    async with in_background(repeat(watch.poll, every_seconds=0.02)):
        assert await watch.first_without_backlog(since=0.0) is None


def test_no_sample_for_kubernetes_has_the_name_of_one_of_its_sales() -> None:
    """An operator that runs on the stores of a lab would find the name taken."""
    samples = {path.stem for path in (PROJECT / "k8s").glob("*.yaml")}
    assert "exact-drop" in samples
    assert samples.isdisjoint(side.sale for side in SIDES)

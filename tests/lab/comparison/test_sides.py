"""How the comparison reads and prepares a sale, against a real HTTP server whose answers the test decides."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.client import ApiRefused, ApiUnreachable, SaleClient
from app.lab.comparison.backlog_watch import BacklogWatch
from app.lab.comparison.sides import SIDES, Side, SideFailed, stage
from app.lab.stack import waiting
from app.lab.stack.sales import every_figure_is_known, until
from app.lab.stack.waiting import NotInTime, in_background, repeat

DROP = SIDES[1]
UNKNOWN = (404, {"title": "Unknown Sale", "detail": "There is no such sale."})
Answer = tuple[int, Any]


@dataclass
class Service:
    """A server that answers each request with `answer(method, path)`, and keeps the requests in `requests`."""

    answer: Callable[[str, str], Answer] = lambda _method, _path: UNKNOWN
    requests: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            service.requests.append((self.command, self.path))
            service.authorizations.append(self.headers["Authorization"])
            status, document = service.answer(self.command, self.path)
            text = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do  # noqa: N815  the names that the server calls

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service
        server.shutdown()
        thread.join()


def sale(side: Side = DROP, **other: Any) -> Answer:
    return 200, {**side.terms, "phase": "Open", "backlog": 0, **other}


async def test_what_is_unknown_is_none(service: Service) -> None:
    assert await SaleClient(service.url).sale("drop") is None
    assert await SaleClient(service.url).reservation("drop.1.2-3.f") is None
    assert service.requests == [("GET", "/sales/drop"), ("GET", "/reservations/drop.1.2-3.f")]


async def test_a_refusal_has_the_title_and_the_detail_of_the_problem(service: Service) -> None:
    with pytest.raises(ApiRefused, match=r"POST /sales/drop/reset: 404 Unknown Sale: There is no such sale\."):
        await SaleClient(service.url).reset("drop")


@pytest.mark.parametrize("document", ["<html>", [1]])
async def test_what_is_no_document_is_no_answer(service: Service, document: Any) -> None:
    service.answer = lambda _method, _path: (200, document)
    with pytest.raises(ApiUnreachable):
        await SaleClient(service.url).sale("drop")


async def test_an_absent_service_is_unreachable() -> None:
    with pytest.raises(ApiUnreachable):
        await SaleClient("http://127.0.0.1:1").sale("drop")


async def test_the_admin_token_is_a_bearer_token_where_there_is_one(service: Service) -> None:
    await SaleClient(service.url, "secret").sale("drop")
    await SaleClient(service.url).sale("drop")
    assert service.authorizations == ["Bearer secret", None]


@pytest.mark.parametrize(
    ("found", "change"),
    [
        (UNKNOWN, ("POST", "/sales")),
        (sale(phase="Closed"), ("POST", "/sales")),
        (sale(phase="SoldOut"), ("POST", f"/sales/{DROP.sale}/reset")),
    ],
)
async def test_a_side_starts_with_a_new_round(service: Service, found: Answer, change: tuple[str, str]) -> None:
    service.answer = lambda method, _path: sale() if method == "POST" or change in service.requests else found
    await stage(SaleClient(service.url), DROP)
    assert [request for request in service.requests if request[0] == "POST"] == [change]
    assert service.requests[-1] == ("GET", f"/sales/{DROP.sale}")


async def test_a_sale_with_other_terms_is_left_alone(service: Service) -> None:
    service.answer = lambda _method, _path: sale(stock=11)
    with pytest.raises(SideFailed, match="other terms"):
        await stage(SaleClient(service.url), DROP)
    assert service.requests == [("GET", f"/sales/{DROP.sale}")]


async def test_waiting_ends(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "TIMEOUT_SECONDS", 0.1)
    service.answer = lambda _method, _path: sale(phase="Seeding")
    with pytest.raises(NotInTime, match="opened"):
        await until(SaleClient(service.url), "drop", "opened", lambda found: found["phase"] == "Open")


def test_a_figure_that_is_null_is_not_known() -> None:
    figures = dict.fromkeys(("remaining", "backlog", "undersold", "counter_says"), 0)
    assert every_figure_is_known(figures)
    assert not any(every_figure_is_known({**figures, name: None}) for name in figures)


async def test_an_empty_backlog_counts_only_when_seen_after_the_last_acceptance(service: Service) -> None:
    accepted = False
    backlogs = iter([3, 1])

    def answer(_method: str, _path: str) -> Answer:
        return sale(backlog=next(backlogs, 0) if accepted else 0)

    service.answer = answer
    watch = BacklogWatch(SaleClient(service.url), "drop")
    async with in_background(repeat(watch.poll, every_seconds=0.02)):
        await watch.first_without_backlog(since=0.0)
        accepted, since = True, time.time()
        empty_at = await watch.first_without_backlog(since=since)
    assert empty_at is not None
    assert empty_at >= since
    assert next(backlogs, None) is None  # both backlogs were read, although empty ones had come before them


async def test_a_backlog_that_stays_has_no_such_moment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "TIMEOUT_SECONDS", 0.1)
    service.answer = lambda _method, _path: sale(backlog=1)
    watch = BacklogWatch(SaleClient(service.url), "drop")
    async with in_background(repeat(watch.poll, every_seconds=0.02)):
        assert await watch.first_without_backlog(since=0.0) is None

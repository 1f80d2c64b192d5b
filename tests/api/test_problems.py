"""Problem documents: each type is listed, explained and documented, and none reveals internal details."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from app.api import errors, problem_types
from app.api.errors import refusal
from app.api.problems import rendered
from app.api.purchase_lane import SOLD_OUT
from app.errors import AtomicTicketsError
from app.ledger.bookings import UnknownRound
from app.main import Settings, create_app
from app.sales.outcomes import SoldOut
from app.services.purchases import PurchaseService
from tests.api.conftest import running

# These report their errors elsewhere: on a terminal, in the verdict on a history, in a resource's conditions.
NOT_OVER_HTTP = (
    *("app.lab", "app.blasts.load", "app.client", "app.smoke", "app.settings"),
    *("app.races.history", "app.sales.desired_state", "flashsale_operator"),
)
NEVER_SHOWN = {AtomicTicketsError, errors.ApiError, UnknownRound}  # UnknownRound is raised in workers only


def error_classes(of: type[AtomicTicketsError] = AtomicTicketsError) -> Iterator[type[AtomicTicketsError]]:
    yield of
    for derived in of.__subclasses__():
        yield from error_classes(derived)


def test_every_error_that_a_user_may_see_is_explained() -> None:
    create_app()
    shown = {
        error.slug
        for error in error_classes()
        if error not in NEVER_SHOWN and not error.__module__.startswith(NOT_OVER_HTTP)
    }
    assert shown <= set(problem_types.BY_SLUG)


async def test_every_type_resolves(client: AsyncClient) -> None:
    types = (await client.get("/problems")).json()
    assert len(types) == len(problem_types.BY_SLUG)
    for known in types:
        assert (await client.get(known["type"])).json() == known


async def test_a_type_that_is_none(client: AsyncClient) -> None:
    refused = await client.get("/problems/bad-luck")
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/not-found")


async def test_every_example_in_the_documents_is_a_known_type(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    documented = set()
    for operations in document["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                problem = response.get("content", {}).get("application/problem+json", {})
                documented |= set(problem.get("examples", {}))
    assert documented <= set(problem_types.BY_SLUG)
    assert {"sold-out", "sale-not-open", "missing-idempotency-key", "idempotency-key-reused"} <= documented
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert (await client.get("/docs")).status_code == 200


def test_the_sold_out_problem_by_hand_is_the_rendered_one() -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert rendered(refusal(SoldOut(7)), "/buy-ticket", trace_id)[2] == SOLD_OUT % (trace_id.encode(), 7)


@pytest.mark.parametrize("path", ["/buy-ticket", "/sales"])
async def test_an_unexpected_error_reveals_nothing_internal(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(PurchaseService, "buy", breaks)
    monkeypatch.setattr("app.services.sales.SalesService.page", breaks)
    if path == "/sales":
        response = await client.get(path)
    else:
        response = await client.post(path, json={"sale": "a", "customer": "b"}, headers={"X-Idempotency-Key": "k"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/internal-error"
    assert "swordfish" not in response.text


@pytest.mark.parametrize(
    ("strategy", "broken"),
    [("atomic", "app.gate.replies.decision"), ("db-gathered", "app.ledger.purchase_batch.Batch.decide")],
)
async def test_a_defect_that_purchases_share_is_each_ones_problem(
    client: AsyncClient, sale_terms: dict[str, Any], monkeypatch: pytest.MonkeyPatch, strategy: str, broken: str
) -> None:
    await client.post("/sales", json=sale_terms | {"strategy": strategy})
    buys = [
        client.post(
            "/buy-ticket", json={"sale": "spring-tour", "customer": "ada"}, headers={"X-Idempotency-Key": f"k-{each}"}
        )
        for each in range(3)
    ]

    def breaks(*_: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(broken, breaks)
    with capture_logs() as lines:
        answers = await asyncio.gather(*buys)
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert answer.json()["trace_id"] == answer.headers["x-trace-id"]
        assert "swordfish" not in answer.text
    errors = [line for line in lines if line["log_level"] == "error"]
    assert {line["event"] for line in errors if "exc_info" in line} == {"a shared call failed unexpectedly"}
    causes = {line["trace_id"]: line["cause"] for line in errors if "exc_info" not in line}
    assert causes == {answer.headers["x-trace-id"]: "RuntimeError('the password is swordfish')" for answer in answers}


async def test_a_defect_of_a_route_is_not_handed_to_the_server_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would log its traceback again, without a trace id. Here the client would raise the exception."""

    async def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("app.services.sales.SalesService.page", breaks)
    async with running(settings, raise_app_exceptions=True) as client:
        with capture_logs() as lines:
            answer = await client.get("/sales")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert [line["event"] for line in lines if "exc_info" in line] == ["a request failed unexpectedly"]


@pytest.mark.parametrize(
    ("path", "allowed"), [("/sales/spring-tour", "DELETE, GET, PATCH"), ("/static/main.js", "GET, HEAD")]
)
async def test_a_wrong_method_is_answered_with_all_allowed_ones(client: AsyncClient, path: str, allowed: str) -> None:
    refused = await client.put(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


async def test_the_front_page_is_the_dashboard(client: AsyncClient) -> None:
    assert (await client.get("/")).headers["location"] == "static/index.html"

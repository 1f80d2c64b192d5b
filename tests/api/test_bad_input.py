"""A purchase with any fault is answered with a clear problem document, and takes no ticket."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

ORDER = {"sale": "spring-tour", "customer": "ada", "quantity": 1}
HEADERS = {"X-Idempotency-Key": "k-1", "Content-Type": "application/json"}


async def refused(client: AsyncClient, response: Response, status: int, slug: str) -> dict[str, Any]:
    """Return the problem document. Assert that it is one, with this status and type, and that no ticket was taken."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == f"/problems/{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.request.url.path
    figures = (await client.get("/sales/spring-tour")).json()
    assert (figures["remaining"], figures["backlog"], figures["booked"]) == (10, 0, 0)
    return problem


BAD_FIELDS = [
    ("quantity", 0),
    ("quantity", -1),
    ("quantity", 101),
    ("quantity", 2**31),
    ("quantity", 10**400),
    ("quantity", -(10**30)),
    ("quantity", 1.0),
    ("quantity", 1.5),
    ("quantity", "1"),
    ("quantity", True),
    ("quantity", None),
    ("quantity", [1]),
    ("customer", ""),
    ("customer", 7),
    ("customer", None),
    ("customer", "a b"),
    ("customer", "ada\n"),
    ("customer", "ada\x00"),
    ("customer", "\x1b[31mada"),
    ("customer", "ädä"),
    ("customer", "a" * 65),
    ("customer", {"name": "ada"}),
    ("sale", ""),
    ("sale", "Spring-Tour"),
    ("sale", "spring-tour\n"),
    ("sale", "spring}tour{"),
    ("sale", "-spring"),
    ("sale", "s" * 64),
    ("sale", 1),
    ("sale", None),
    ("surprise", "a field nobody knows"),
]


@pytest.mark.usefixtures("sale")
async def test_a_bad_field_is_named(client: AsyncClient, subtests: pytest.Subtests) -> None:
    for name, value in BAD_FIELDS:
        with subtests.test(name, value=str(value)[:40]):
            response = await client.post("/buy-ticket", content=json.dumps(ORDER | {name: value}), headers=HEADERS)
            problem = await refused(client, response, 422, "invalid-request")
            assert [error["field"] for error in problem["errors"]] == [name]
            assert all(error["message"] for error in problem["errors"])


@pytest.mark.usefixtures("sale")
async def test_every_bad_field_is_named(client: AsyncClient) -> None:
    response = await client.post("/buy-ticket", json={"quantity": -1, "customer": "a b"}, headers=HEADERS)
    problem = await refused(client, response, 422, "invalid-request")
    assert {error["field"] for error in problem["errors"]} == {"sale", "customer", "quantity"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"sale": NaN}', b"[" * 10_000, b'{"sale": "a\x00"}']
)
@pytest.mark.usefixtures("sale")
async def test_a_body_that_is_no_order(client: AsyncClient, body: bytes) -> None:
    problem = await refused(
        client, await client.post("/buy-ticket", content=body, headers=HEADERS), 422, "invalid-request"
    )
    assert problem["errors"]


@pytest.mark.usefixtures("sale")
async def test_a_body_of_a_megabyte(client: AsyncClient) -> None:
    body = json.dumps(ORDER | {"customer": "a" * 1_000_000})
    problem = await refused(
        client, await client.post("/buy-ticket", content=body, headers=HEADERS), 413, "body-too-large"
    )
    assert problem["limit_bytes"] == 16_384


@pytest.mark.parametrize("path", ["/buy-ticket", "/sales", "/sales/spring-tour/reset", "/sales/spring-tour/blasts"])
@pytest.mark.usefixtures("sale")
async def test_a_body_of_undeclared_length(client: AsyncClient, path: str) -> None:
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1000
            yield b" " * 1000

    response = await client.post(path, content=chunks(), headers=HEADERS)
    await refused(client, response, 413, "body-too-large")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
@pytest.mark.usefixtures("sale")
async def test_a_body_that_is_not_json(client: AsyncClient, content_type: str) -> None:
    headers = {"X-Idempotency-Key": "k-1"} | ({"Content-Type": content_type} if content_type else {})
    response = await client.post("/buy-ticket", content=json.dumps(ORDER), headers=headers)
    await refused(client, response, 415, "not-json")


@pytest.mark.usefixtures("sale")
async def test_a_missing_key(client: AsyncClient) -> None:
    await refused(client, await client.post("/buy-ticket", json=ORDER), 400, "missing-idempotency-key")


NO_KEYS = (b"", b" ", b'""', b"a" * 256, b"a b", b"a\tb", b"\x7f", b"\xc3\xa9", b'"a b"', b"k" * 100_000)


@pytest.mark.usefixtures("sale")
async def test_a_key_that_is_none(client: AsyncClient, subtests: pytest.Subtests) -> None:
    for key in NO_KEYS:
        with subtests.test(key=key[:40]):
            response = await client.post("/buy-ticket", json=ORDER, headers={b"X-Idempotency-Key": key})
            await refused(client, response, 400, "invalid-idempotency-key")


@pytest.mark.usefixtures("sale")
async def test_two_different_keys(client: AsyncClient) -> None:
    headers = [("X-Idempotency-Key", "k-1"), ("Idempotency-Key", "k-2")]
    await refused(client, await client.post("/buy-ticket", json=ORDER, headers=headers), 400, "invalid-idempotency-key")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.usefixtures("sale")
async def test_a_wrong_method(client: AsyncClient, method: str) -> None:
    response = await client.request(method, "/buy-ticket")
    await refused(client, response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/buy-ticket/", "/buy-tickets", "/sales/spring-tour/rest", "/%00", "/sales/"])
@pytest.mark.usefixtures("sale")
async def test_a_wrong_path(client: AsyncClient, path: str) -> None:
    response = await client.post(path, json=ORDER, headers=HEADERS)
    assert response.status_code == 404
    assert response.json()["type"] == "/problems/not-found"


@pytest.mark.usefixtures("sale")
async def test_the_same_order_is_fine_once_nothing_is_wrong(client: AsyncClient) -> None:
    """The control: the order is accepted without the faults that the tests above add."""
    response = await client.post("/buy-ticket", content=json.dumps(ORDER), headers=HEADERS)
    assert response.status_code == 200
    assert (await client.get("/sales/spring-tour")).json()["remaining"] == 9

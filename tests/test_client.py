"""The client of the service's own API, against a real HTTP server whose answers the test decides."""

import asyncio
import logging
import threading
from typing import Any

import pytest

from app.client import ApiRefused, ApiUnreachable, SaleClient
from tests.fixtures.tls import MakeFront
from tests.support.http_service import UNKNOWN, Answer, HttpService


async def test_what_is_unknown_is_none(http_service: HttpService) -> None:
    assert await SaleClient(http_service.url).sale("drop") is None
    assert await SaleClient(http_service.url).reservation("drop.1.2-3.f") is None
    assert http_service.requests == [("GET", "/sales/drop"), ("GET", "/reservations/drop.1.2-3.f")]


async def test_a_refusal_has_the_title_and_the_detail_of_the_problem(http_service: HttpService) -> None:
    with pytest.raises(ApiRefused, match=r"/sales/drop/reset: 404 Unknown Sale: There is no such sale\."):
        await SaleClient(http_service.url).reset("drop")


@pytest.mark.parametrize("document", ["<html>", [1]])
async def test_what_is_no_document_is_no_answer(http_service: HttpService, document: Any) -> None:
    http_service.answer = lambda _method, _path: (200, document)
    with pytest.raises(ApiUnreachable):
        await SaleClient(http_service.url).sale("drop")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://127.0.0.1:x", "ftp://127.0.0.1"])
async def test_an_absent_service_is_unreachable_and_its_address_is_named(url: str) -> None:
    with pytest.raises(ApiUnreachable, match=f"GET {url}/sales/drop: "):
        await SaleClient(url).sale("drop")


async def test_the_admin_token_is_a_bearer_token_where_there_is_one(http_service: HttpService) -> None:
    await SaleClient(http_service.url, "secret").sale("drop")
    await SaleClient(http_service.url).sale("drop")
    assert http_service.authorizations == ["Bearer secret", None]


@pytest.mark.parametrize("prefix", ["/prefix", "/prefix/"])
async def test_a_service_may_be_below_a_prefix(http_service: HttpService, prefix: str) -> None:
    await SaleClient(http_service.url + prefix).sale("drop")
    assert http_service.requests == [("GET", "/prefix/sales/drop")]


async def test_a_token_for_https_never_leaves_unencrypted(http_service: HttpService) -> None:
    with pytest.raises(ApiUnreachable):
        await SaleClient(f"https://127.0.0.1:{http_service.port}", "secret").sale("drop")
    assert http_service.authorizations == []


async def test_a_certificate_of_an_unknown_authority_is_refused(
    http_service: HttpService, tls_front: MakeFront
) -> None:
    port = await tls_front(http_service.port)
    with pytest.raises(ApiUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        await SaleClient(f"https://localhost:{port}", "secret").sale("drop")
    assert http_service.authorizations == []


async def test_calls_at_once_share_no_connection(http_service: HttpService, caplog: pytest.LogCaptureFixture) -> None:
    """A pool that they shared would have room for one connection, and log a warning for each other one."""
    all_here = threading.Barrier(4)

    def answer(_method: str, _path: str) -> Answer:
        all_here.wait(timeout=60)
        return UNKNOWN

    http_service.answer = answer
    client = SaleClient(http_service.url)
    with caplog.at_level(logging.WARNING):
        await asyncio.gather(*(client.sale(f"drop-{number}") for number in range(4)))
    assert caplog.records == []

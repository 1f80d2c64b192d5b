"""The client of the API server: its login, its errors, and what it sends."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import aiohttp
import kopf
import pytest
from aiohttp import web
from kubernetes.aio.client import CoreV1Event, V1ObjectMeta, V1ObjectReference

from flashsale_operator.kube import KubeApi
from flashsale_operator.kube_client import KubeConflict, KubeMissing, KubeRefused, KubeUnavailable
from flashsale_operator.resource.models import GROUP, PLURAL, VERSION
from tests.flashsale_operator.stand_in_server import answering


async def test_if_the_token_has_expired_the_client_logs_in_again_and_repeats_the_request_once() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({}, status=200 if request.headers["Authorization"] == "Bearer new" else 401)

    async with answering(answer) as connect:
        kube = connect("old", "new")
        assert await kube.flashsale("drop") == {}
        assert kube.requests == 2
        assert await kube.flashsale("drop") == {}
        assert kube.requests == 3
        with pytest.raises(KubeRefused, match="401"):
            await connect("old", "old").flashsale("drop")


async def test_requests_that_meet_an_expired_token_share_one_login() -> None:
    all_sent = asyncio.Barrier(3)
    tokens: set[str] = set()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        tokens.add(request.headers["Authorization"])
        expired = request.headers["Authorization"] == "Bearer old" and not request.path.endswith("/first")
        if expired:
            await all_sent.wait()
        return web.json_response({}, status=401 if expired else 200)

    async with answering(answer) as connect:
        kube = connect("old", "new", "newer", "newest")
        await kube.flashsale("first")
        await asyncio.gather(*(kube.flashsale("drop") for _ in range(3)), return_exceptions=True)
        await kube.flashsale("drop")
    assert tokens == {"Bearer old", "Bearer new"}


async def test_credentials_that_can_not_be_read_are_no_answer() -> None:
    def login() -> kopf.ConnectionInfo:
        raise PermissionError

    async with KubeApi(login, "shop") as kube:
        with pytest.raises(KubeUnavailable, match="credentials"):
            await kube.flashsale("drop")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, KubeRefused),
        (404, KubeMissing),
        (409, KubeConflict),
        (410, KubeRefused),
        (422, KubeRefused),
        (429, KubeUnavailable),
        (500, KubeUnavailable),
    ],
)
async def test_an_error_has_its_type_and_the_servers_message(status: int, error: type[Exception]) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"message": "so it is"}, status=status)

    async with answering(answer) as connect:
        with pytest.raises(error, match=f"{status}: so it is") as raised:
            await connect("token").flashsale("drop")
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (200, "application/json", "{"),
        (200, "application/json", "null"),
        (200, "text/html", "<html>"),
        (200, "text/plain", ""),
        (200, "image/png", "?"),
        (202, "application/json", "{}"),
        (502, "text/html", "<html>"),
    ],
)
async def test_an_answer_that_can_not_be_read_is_no_answer(status: int, kind: str, text: str) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=kind)

    async with answering(answer) as connect:
        kube = connect("token")
        for call in (kube.flashsale("drop"), kube.flashsales(), kube.scale("worker"), kube.serves_flashsales()):
            with pytest.raises(KubeUnavailable):
                await call


async def test_a_server_that_is_away_or_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with KubeApi(lambda: kopf.ConnectionInfo(server="http://127.0.0.1:1"), "shop") as away:
        with pytest.raises(KubeUnavailable, match="ClientConnector"):
            await away.flashsale("drop")
    monkeypatch.setattr("flashsale_operator.kube_client.TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    async with answering(answer) as connect:
        with pytest.raises(KubeUnavailable, match="Timeout"):
            await connect("token").flashsale("drop")


async def test_every_page_is_listed() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        page = int(request.query.get("continue", "1"))
        more = {"continue": str(page + 1)} if page < 3 else {}
        return web.json_response({"items": [{"page": page, "limit": request.query["limit"]}], "metadata": more})

    async with answering(answer) as connect:
        assert await connect("token").flashsales() == [{"page": page, "limit": "250"} for page in (1, 2, 3)]


async def test_what_is_written() -> None:
    written: list[tuple[str, str, str, Any]] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.json()
        written.append((request.method, request.path, request.content_type, body))
        return web.json_response(body if request.method == "POST" else {})

    event = CoreV1Event(
        metadata=V1ObjectMeta(name="drop.1"),
        involved_object=V1ObjectReference(name="drop"),
        first_timestamp=datetime(2026, 12, 1, 18, tzinfo=UTC),
    )
    async with answering(answer) as connect:
        kube = connect("token")
        await kube.replace_status("drop", "uid-1", {"round": 2})
        await kube.set_scale("worker", 3, "7")
        await kube.create_event(event)
    assert written == [
        (
            "PATCH",
            f"/apis/{GROUP}/{VERSION}/namespaces/shop/{PLURAL}/drop/status",
            "application/json-patch+json",
            [
                {"op": "test", "path": "/metadata/uid", "value": "uid-1"},
                {"op": "add", "path": "/status", "value": {"round": 2}},
            ],
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/shop/deployments/worker/scale",
            "application/merge-patch+json",
            {"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 3}},
        ),
        (
            "POST",
            "/api/v1/namespaces/shop/events",
            "application/json",
            {
                "metadata": {"name": "drop.1"},
                "involvedObject": {"name": "drop"},
                "firstTimestamp": "2026-12-01T18:00:00.000000+00:00",
            },
        ),
    ]

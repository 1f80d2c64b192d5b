"""The smoke test's question to the API server of its cluster, over TLS with the certificates of the pod's account."""

import asyncio
from pathlib import Path

import pytest

from app import smoke
from app.smoke import SmokeFailed, check_served
from tests.fixtures.tls import MakeFront
from tests.support.http_service import HttpService

RESOURCE = "atomictickets.dev/v1alpha1/flashsales"
GROUP_VERSION = {"resources": [{"name": "flashsales"}, {"name": "flashsales/status"}]}


@pytest.fixture
async def api_server(
    http_service: HttpService,
    tls_front: MakeFront,
    private_ca: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> HttpService:
    """Return an API server, which the pod reaches with the token and the authority of its account."""
    (tmp_path / "token").write_text("secret")
    (tmp_path / "ca.crt").write_bytes((private_ca / "ca.crt").read_bytes())
    monkeypatch.setattr(smoke, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(await tls_front(http_service.port)))
    http_service.answer = lambda _method, _path: (200, GROUP_VERSION)
    return http_service


async def test_a_resource_that_is_served_passes(api_server: HttpService) -> None:
    await asyncio.to_thread(check_served, RESOURCE)
    assert api_server.requests == [("GET", "/apis/atomictickets.dev/v1alpha1")]
    assert api_server.authorizations == ["Bearer secret"]


async def test_a_resource_that_is_not_served_fails(api_server: HttpService) -> None:
    with pytest.raises(SmokeFailed, match=r"does not serve raffles in .*, only flashsales, flashsales/status\."):
        await asyncio.to_thread(check_served, "atomictickets.dev/v1alpha1/raffles")
    api_server.answer = lambda _method, _path: (404, "404 page not found")
    with pytest.raises(SmokeFailed, match=r"does not serve atomictickets.dev/v1alpha1: 404"):
        await asyncio.to_thread(check_served, RESOURCE)


async def test_the_token_goes_to_no_server_of_another_authority(
    api_server: HttpService, private_ca: Path, tmp_path: Path
) -> None:
    (tmp_path / "ca.crt").write_bytes((private_ca / "other.crt").read_bytes())
    with pytest.raises(SmokeFailed, match="CERTIFICATE_VERIFY_FAILED"):
        await asyncio.to_thread(check_served, RESOURCE)
    assert api_server.authorizations == []

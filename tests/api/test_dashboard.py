"""The dashboard's files are served with an ETag for caching and with a strict security policy in their headers."""

import pytest
from httpx2 import AsyncClient


@pytest.mark.parametrize("path", ["/static/index.html", "/static/main.js", "/static/style/theme.css"])
async def test_files_come_with_a_strict_policy_and_an_etag(client: AsyncClient, path: str) -> None:
    file = await client.get(path)
    assert file.status_code == 200
    policy = file.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert file.headers["x-content-type-options"] == "nosniff"
    again = await client.get(path, headers={"If-None-Match": file.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/static/../main.py", "/static/%2e%2e/main.py", "/static/nothing.js", "/static/"])
async def test_nothing_else_is_served(client: AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404

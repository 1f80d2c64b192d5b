"""A small JSON client for the service's own API, on the standard library: the lab installs no HTTP client."""

import asyncio
import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

from app.errors import AtomicTicketsError

REPLY_SECONDS = 15.0  # reading a sale waits behind the naive buyers, who hold their connections while they think
REPLY_LIMIT_BYTES = 4_194_304  # a page of 1,000 attempts has 600 kB
IDEMPOTENCY_HEADER = "X-Idempotency-Key"

Document = dict[str, Any]


class ApiUnreachable(AtomicTicketsError):
    status, slug, title = 503, "api-unreachable", "API Unreachable"


class ApiRefused(AtomicTicketsError):
    """The API answered a request of the lab with a problem."""

    status, slug, title = 502, "api-refused", "API Refused"


class ApiNotReady(ApiRefused):
    """503: a process is starting, or a store is away. Nothing was done, or it is safe to ask again."""

    status, slug, title = 503, "api-not-ready", "API Not Ready"


class SaleClient:
    """Sales and reservations as any user of the API sees them. Each call raises ApiUnreachable or ApiRefused."""

    def __init__(self, url: str, admin_token: str | None = None) -> None:
        target = urlsplit(url)
        self._host = target.hostname or "127.0.0.1"
        self._port = target.port or 80
        self._headers = {"Content-Type": "application/json"}
        if admin_token is not None:
            self._headers["Authorization"] = f"Bearer {admin_token}"

    async def sale(self, name: str) -> Document | None:
        """None where there is no such sale."""
        return await self._read(f"/sales/{quote(name)}")

    async def create(self, terms: Mapping[str, Any]) -> None:
        await self._ask("POST", "/sales", terms)

    async def reset(self, name: str) -> None:
        """Starts the next round."""
        await self._ask("POST", f"/sales/{quote(name)}/reset")

    async def end(self, name: str) -> None:
        """Nothing more is sold; what was accepted is booked."""
        await self._ask("DELETE", f"/sales/{quote(name)}")

    async def buy(self, sale: str, customer: str, key: str) -> Document:
        """One ticket. A refusal is ApiRefused too."""
        return await self._ask("POST", "/buy-ticket", {"sale": sale, "customer": customer}, {IDEMPOTENCY_HEADER: key})

    async def reservation(self, reservation_id: str) -> Document | None:
        """None where no such reservation is known."""
        return await self._read(f"/reservations/{quote(reservation_id)}")

    async def witnesses(self, sale: str, *, after: int, limit: int) -> Document:
        """Of the present round: a page of GET /sales/{sale}/witnesses."""
        return await self._ask("GET", f"/sales/{quote(sale)}/witnesses?after={after}&limit={limit}")

    async def attempts(self, sale: str, *, after: int) -> list[Document] | None:
        """What purchases of this round read and wrote, behind number `after`; None from a service that keeps none."""
        page = await self._read(f"/sales/{quote(sale)}/attempts?after={after}")
        return None if page is None else list(page["attempts"])

    async def _read(self, path: str) -> Document | None:
        status, document = await asyncio.to_thread(self._exchange, "GET", path, None, {})
        return None if status == 404 else answered(f"GET {path}", status, document)

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Document:
        status, document = await asyncio.to_thread(self._exchange, method, path, body, headers)
        return answered(f"{method} {path}", status, document)

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> tuple[int, Document]:
        connection = HTTPConnection(self._host, self._port, timeout=REPLY_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {**self._headers, **headers})
            response = connection.getresponse()
            document = json.loads(response.read(REPLY_LIMIT_BYTES) or b"{}")
        except (OSError, HTTPException, ValueError) as error:
            raise ApiUnreachable(f"{method} {path}: {error or type(error).__name__}.") from error
        finally:
            connection.close()
        if not isinstance(document, dict):
            raise ApiUnreachable(f"{method} {path}: the answer is no JSON object.")
        return response.status, document


def answered(request: str, status: int, document: Document) -> Document:
    if status >= 400:
        refused = ApiNotReady if status == 503 else ApiRefused
        raise refused(f"{request}: {status} {document.get('title', '')}: {document.get('detail', '')}")
    return document

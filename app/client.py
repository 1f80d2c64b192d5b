"""A small JSON client of the service's own API."""

import asyncio
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from urllib3 import BaseHTTPResponse, PoolManager
from urllib3.exceptions import HTTPError

from app.errors import AtomicTicketsError

TIMEOUT_SECONDS = 15.0  # reading a sale waits behind the naive buyers, which hold their connections while they think
MAX_REPLY_BYTES = 4_194_304  # a page of 1,000 attempts takes 600 kB
IDEMPOTENCY_HEADER = "X-Idempotency-Key"

Document = dict[str, Any]


class ApiUnreachable(AtomicTicketsError):
    """The API did not answer, or its answer is not that of this API."""

    status, slug, title = 503, "api-unreachable", "API Unreachable"


class ApiRefused(AtomicTicketsError):
    """The API answered a request with a problem."""

    status, slug, title = 502, "api-refused", "API Refused"


class ApiNotReady(ApiRefused):
    """The API answered 503: a process is starting, or a store is away. It is safe to ask again."""

    status, slug, title = 503, "api-not-ready", "API Not Ready"


def get(url: str, timeout_seconds: float) -> BaseHTTPResponse:
    """Return the answer to a GET over a connection of its own. Raise HTTPError of urllib3 if there is none.

    A connection that is kept would stay with one of the processes that share a port, and a pool that is shared logs a
    warning for each request beyond the first at a time.
    """
    with PoolManager() as pool:
        return pool.request("GET", url, timeout=timeout_seconds, retries=False)


def reason_of(error: BaseException) -> str:
    """Return the reason of a failed request in a few words: that of the system, without urllib3's objects around it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


class SaleClient:
    """A client of sales and reservations, like any user of the API. Calls raise ApiUnreachable or ApiRefused."""

    def __init__(self, url: str, admin_token: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {} if admin_token is None else {"Authorization": f"Bearer {admin_token}"}

    async def sale(self, name: str) -> Document | None:
        """Return the sale, or None if there is no such sale. Raise ApiUnreachable if another service answers."""
        path = f"/sales/{quote(name)}"
        found = await self._find(path)
        if found is not None and not found.keys() >= {"strategy", "phase"}:
            raise ApiUnreachable(f"GET {self._url}{path}: the answer is not a sale.")
        return found

    async def create(self, terms: Mapping[str, Any]) -> None:
        """Create a sale."""
        await self._send("POST", "/sales", terms)

    async def reset(self, name: str) -> None:
        """Start the next round."""
        await self._send("POST", f"/sales/{quote(name)}/reset")

    async def end(self, name: str) -> None:
        """End the sale: nothing more is sold, and accepted orders are still booked."""
        await self._send("DELETE", f"/sales/{quote(name)}")

    async def buy(self, sale: str, customer: str, key: str) -> Document:
        """Buy one ticket. Raise ApiRefused for a refused purchase too."""
        return await self._send("POST", "/buy-ticket", {"sale": sale, "customer": customer}, {IDEMPOTENCY_HEADER: key})

    async def reservation(self, reservation_id: str) -> Document | None:
        """Return the reservation, or None if there is no such reservation."""
        return await self._find(f"/reservations/{quote(reservation_id)}")

    async def witnesses(self, sale: str, *, after: int, limit: int) -> Document:
        """Return a page of GET /sales/{sale}/witnesses, of the present round."""
        return await self._send("GET", f"/sales/{quote(sale)}/witnesses?after={after}&limit={limit}")

    async def attempts(self, sale: str, *, after: int) -> list[Document] | None:
        """Return the attempts of the present round after number `after`, or None if the service keeps none."""
        page = await self._find(f"/sales/{quote(sale)}/attempts?after={after}")
        return None if page is None else list(page["attempts"])

    async def _find(self, path: str) -> Document | None:
        url = self._url + path
        status, document = await asyncio.to_thread(self._exchange, "GET", url, None, {})
        return None if status == 404 else checked(f"GET {url}", status, document)

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Document:
        url = self._url + path
        status, document = await asyncio.to_thread(self._exchange, method, url, body, headers)
        return checked(f"{method} {url}", status, document)

    def _exchange(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> tuple[int, Document]:
        headers = {**self._headers, **headers}
        try:
            with (  # a new connection each time, as in `get`
                PoolManager(timeout=TIMEOUT_SECONDS, retries=False) as pool,
                pool.request(method, url, json=body, headers=headers, preload_content=False) as response,
            ):
                document = json.loads(response.read(MAX_REPLY_BYTES) or b"{}")
        except (HTTPError, ValueError) as error:
            raise ApiUnreachable(f"{method} {url}: {reason_of(error)}.") from error
        if not isinstance(document, dict):
            raise ApiUnreachable(f"{method} {url}: the answer is not a JSON object.")
        return response.status, document


def checked(request: str, status: int, document: Document) -> Document:
    """Return the document. Raise ApiNotReady or ApiRefused if the status is that of an error."""
    if status >= 400:
        refused = ApiNotReady if status == 503 else ApiRefused
        raise refused(f"{request}: {status} {document.get('title', '')}: {document.get('detail', '')}")
    return document

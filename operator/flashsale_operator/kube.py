"""A small client for the API server: the requests that the operator needs, with Kopf's login and typed errors."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import kopf

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from flashsale_operator.resource.models import GROUP, KIND, PLURAL, VERSION

API_PATH = f"/apis/{GROUP}/{VERSION}"
PAGE = 250  # resources, of about 2 kB each
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

Object = dict[str, Any]


def log_in(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Read and return the credentials of the pod's service account, or else of KUBECONFIG's current context.

    Raise PermanentError if there are neither.
    """
    info = kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(settings=settings)
    if info is None:
        raise kopf.PermanentError("Found neither a service account nor a KUBECONFIG.")
    return info


class KubeUnavailable(TemporarilyUnavailable):
    """The API server is away, overloaded or failing. It may or may not have carried out the request."""


class KubeRefused(AtomicTicketsError):
    """The API server refused the request."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class KubeMissing(KubeRefused):
    """The object does not exist."""


class KubeConflict(KubeRefused):
    """The object already exists, or was changed since it was read."""


class KubeApi:
    """Requests in one namespace. All of them raise KubeUnavailable, and KubeRefused or one of its subclasses."""

    def __init__(self, login: Callable[[], kopf.ConnectionInfo], namespace: str) -> None:
        self.namespace = namespace
        self.requests = 0  # sent since the start, for the metrics
        self._login = login
        self._server = ""
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def serves_flashsales(self) -> bool:
        """Return whether the CRD is installed and established."""
        try:
            found = await self._call("GET", API_PATH)
        except KubeMissing:
            return False
        return any(resource["kind"] == KIND for resource in found["resources"])

    async def flashsales(self) -> list[Object]:
        """Return all FlashSales as of one instant, not before this call. Raise if any page of them fails."""
        found: list[Object] = []
        query = {"limit": str(PAGE)}
        while True:
            page = await self._call("GET", self._flashsale(""), params=query)
            found += page["items"]
            if not (token := page["metadata"].get("continue")):
                return found
            query["continue"] = token

    async def flashsale(self, name: str) -> Object:
        return await self._call("GET", self._flashsale(f"/{name}"))

    async def replace_status(self, name: str, uid: str, status: Mapping[str, Any]) -> Object:
        """Replace the whole status of the resource with this uid. A later resource with the same name is refused."""
        change = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        return await self._call("PATCH", self._flashsale(f"/{name}/status"), change, JSON_PATCH)

    async def scale(self, deployment: str) -> Object:
        return await self._call("GET", self._apps(f"deployments/{deployment}/scale"))

    async def set_scale(self, deployment: str, replicas: int, seen_version: str) -> Object:
        """Scale the Deployment. Raise KubeConflict if it was changed since `seen_version`."""
        change = {"metadata": {"resourceVersion": seen_version}, "spec": {"replicas": replicas}}
        return await self._call("PATCH", self._apps(f"deployments/{deployment}/scale"), change, MERGE)

    async def deployment(self, name: str) -> Object:
        return await self._call("GET", self._apps(f"deployments/{name}"))

    async def lease(self, name: str) -> Object:
        return await self._call("GET", self._leases(name))

    async def replace_lease(self, lease: Object) -> Object:
        """Write the Lease. Raise KubeConflict if it was changed since it was read."""
        return await self._call("PUT", self._leases(lease["metadata"]["name"]), lease)

    async def create_event(self, event: Object) -> None:
        """Post an event. Raise KubeConflict if an event with this name exists."""
        await self._call("POST", f"/api/v1/namespaces/{self.namespace}/events", event)

    def _flashsale(self, rest: str) -> str:
        return f"{API_PATH}/namespaces/{self.namespace}/{PLURAL}{rest}"

    def _apps(self, rest: str) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/{rest}"

    def _leases(self, name: str) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{name}"

    async def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        *,
        params: Mapping[str, str] | None = None,
    ) -> Object:
        """Send one request. If the token has expired, log in again and repeat it once: a pod's token lives an hour."""
        status, answer = await self._send(method, path, body, content_type, params)
        if status == 401:
            await self.close()
            self._session = None
            status, answer = await self._send(method, path, body, content_type, params)
        if status < 300:
            return answer
        message = str(answer.get("message", "no reason given"))
        if status >= 500 or status == 429:
            raise KubeUnavailable(f"The API server answered {status}: {message}")
        raise {404: KubeMissing, 409: KubeConflict}.get(status, KubeRefused)(status, message)

    async def _send(
        self, method: str, path: str, body: Any, content_type: str, params: Mapping[str, str] | None
    ) -> tuple[int, Object]:
        session = await self._connected()
        self.requests += 1
        headers = {"Content-Type": content_type} if body is not None else None
        try:
            async with session.request(
                method, f"{self._server}{path}", json=body, headers=headers, params=params
            ) as response:
                return response.status, await response.json(content_type=None) or {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise KubeUnavailable(f"The API server can't be reached just now ({type(error).__name__}).") from error

    async def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Off the event loop, because it reads files. It reads the current token.
            info = await asyncio.to_thread(self._login)
            self._server = info.server
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=info.as_ssl_context(), limit=16),
                headers={**info.as_http_headers(), "User-Agent": "atomictickets-operator"},
                timeout=TIMEOUT,
                trust_env=info.trust_env,
            )
        return self._session

"""The official client of the API server, with Kopf's login, bounded waits and typed errors."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import aiohttp
import kopf
from kubernetes.aio import client
from kubernetes.aio.client.rest import RESTResponse

from app.errors import AtomicTicketsError, TemporarilyUnavailable

CONNECTIONS = 64  # more than calls at once: closing the session would cancel a request that waits for one
UNREADABLE = "The API server's answer can't be read"
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)  # the client's own is five minutes


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


class KubeClient(client.ApiClient):
    """The official client. A call lasts as long as TIMEOUT at most.

    Every call raises KubeUnavailable, and KubeRefused or one of its subclasses.
    """

    def __init__(self, login: Callable[[], kopf.ConnectionInfo]) -> None:
        super().__init__(client.Configuration(host="", connection_pool_maxsize=CONNECTIONS))
        self.user_agent = "atomictickets-operator"
        self.requests = 0  # sent since the start, for the metrics
        self._login = login
        self._logins = 0
        self._one_login = asyncio.Lock()
        self._server = ""
        self._credentials: dict[str, str] = {}

    async def call_api(self, *request: Any, **options: Any) -> RESTResponse:
        """Send one request. If the token has expired, log in again and repeat it once: a pod's token lives an hour."""
        if not self._logins:
            await self._log_in(0)
        logins = self._logins
        response = await self._send(*request, **options)
        if response.status != 401:
            return response
        await self._log_in(logins)
        return await self._send(*request, **options)

    async def _log_in(self, logins: int) -> None:
        """Read the credentials and connect with them, unless another request has done so after this many `logins`.

        Other requests that are under way fail, as if the server were away.
        """
        async with self._one_login:
            if self._logins != logins:
                return
            try:
                info = await asyncio.to_thread(self._login)  # it reads files, or runs a program
                context = await asyncio.to_thread(info.as_ssl_context)
            except OSError as error:
                raise KubeUnavailable(f"The credentials can't be read just now ({type(error).__name__}).") from error
            await self.rest_client.close()
            self.rest_client.pool_manager = None
            self.rest_client.ssl_context = context
            self.configuration.client_session_kwargs = {"trust_env": info.trust_env}
            self._server, self._credentials = info.server, dict(info.as_http_headers())
            self._logins += 1

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, *rest: Any, **options: Any
    ) -> RESTResponse:
        self.requests += 1
        try:
            response = await super().call_api(
                method,
                self._server + path,
                {**(headers or {}), **self._credentials},
                *rest,
                **options | {"_request_timeout": TIMEOUT},
            )
            await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise KubeUnavailable(f"The API server can't be reached just now ({type(error).__name__}).") from error
        return response

    def sanitize_for_serialization(self, obj: Any) -> Any:
        """Return the object as JSON. Times have six digits after the second, as the server requires in a Lease."""
        if isinstance(obj, datetime):
            return obj.isoformat(timespec="microseconds")
        return super().sanitize_for_serialization(obj)  # type: ignore[no-untyped-call]  # the client does not type it

    def response_deserialize(self, *arguments: Any, **options: Any) -> Any:
        """Return the answer, in which `data` is a typed object, or a dict of a custom one."""
        try:
            answer = super().response_deserialize(*arguments, **options)
        except client.ApiException as error:
            raise _typed(error) from error
        except ValueError as error:
            raise KubeUnavailable(f"{UNREADABLE}.") from error
        if answer.data is None or isinstance(answer.data, str):  # a proxy answered in place of the server
            raise KubeUnavailable(f"{UNREADABLE}.")
        return answer


def _typed(error: client.ApiException) -> AtomicTicketsError:
    try:
        message = json.loads(error.body or "")["message"] or error.reason
    except (ValueError, TypeError, KeyError):  # a proxy answered in place of the server
        message = error.reason
    code = error.status
    if code == 0:  # the client's code for an answer of another type than JSON
        return KubeUnavailable(f"{UNREADABLE}: {message}")
    if code >= 500 or code == 429:
        return KubeUnavailable(f"The API server answered {code}: {message}")
    return {404: KubeMissing, 409: KubeConflict}.get(code, KubeRefused)(code, message)

"""The official client of the API server, with Kopf's login, bounded waits and typed errors."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import aiohttp
import kopf
from kubernetes.aio import client
from kubernetes.aio.client.rest import RESTResponse

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from flashsale_operator.resource.models import GROUP, KIND, PLURAL, VERSION

PAGE = 250  # resources, of about 2 kB each
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)  # the client's own is five minutes
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


class KubeApi(client.ApiClient):
    """The official client, with the calls that the operator makes in its namespace.

    Every call of the official APIs through it raises KubeUnavailable, and KubeRefused or one of its subclasses.
    """

    def __init__(self, login: Callable[[], kopf.ConnectionInfo], namespace: str) -> None:
        info = login()
        session = {"trust_env": info.trust_env}
        super().__init__(
            client.Configuration(host=info.server, connection_pool_maxsize=16, client_session_kwargs=session)
        )
        self.rest_client.ssl_context = info.as_ssl_context()
        self.default_headers |= {"User-Agent": "atomictickets-operator"} | info.as_http_headers()
        self.namespace = namespace
        self.requests = 0  # sent since the start, for the metrics
        self._login = login
        self._apps = client.AppsV1Api(self)
        self._core = client.CoreV1Api(self)
        self._custom = client.CustomObjectsApi(self)
        self._flashsales = (GROUP, VERSION, namespace, PLURAL)

    async def serves_flashsales(self) -> bool:
        """Return whether the CRD is installed and established."""
        try:
            found = await self._custom.get_api_resources(GROUP, VERSION)
        except KubeMissing:
            return False
        return any(resource.kind == KIND for resource in found.resources)

    async def flashsales(self) -> list[Object]:
        """Return all FlashSales as of one instant, not before this call. Raise if any page of them fails."""
        found: list[Object] = []
        token: str | None = None
        while True:
            page: Any = await self._custom.list_namespaced_custom_object(*self._flashsales, limit=PAGE, _continue=token)
            found += page["items"]
            if not (token := page["metadata"].get("continue")):
                return found

    async def flashsale(self, name: str) -> Object:
        return cast("Object", await self._custom.get_namespaced_custom_object(*self._flashsales, name))

    async def replace_status(self, name: str, uid: str, status: Mapping[str, Any]) -> Object:
        """Replace the whole status of the resource with this uid. A later resource with the same name is refused."""
        change: list[Object] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        replaced = await self._custom.patch_namespaced_custom_object_status(
            *self._flashsales, name, change, _content_type=JSON_PATCH
        )
        return cast("Object", replaced)

    async def scale(self, deployment: str) -> client.V1Scale:
        return await self._apps.read_namespaced_deployment_scale(deployment, self.namespace)

    async def set_scale(self, deployment: str, replicas: int, seen_version: str) -> None:
        """Scale the Deployment. Raise KubeConflict if it was changed since `seen_version`."""
        change = {"metadata": {"resourceVersion": seen_version}, "spec": {"replicas": replicas}}
        await self._apps.patch_namespaced_deployment_scale(deployment, self.namespace, change, _content_type=MERGE)

    async def ready_replicas(self, deployment: str) -> int:
        """Return how many pods of the Deployment are ready, which its scale does not include."""
        found = await self._apps.read_namespaced_deployment(deployment, self.namespace)
        ready = found.status.ready_replicas if found.status else None
        return ready or 0

    async def create_event(self, event: client.CoreV1Event) -> None:
        """Post an event. Raise KubeConflict if an event with this name exists."""
        await self._core.create_namespaced_event(self.namespace, event)

    async def call_api(
        self, method: str, url: str, header_params: dict[str, str] | None = None, *arguments: Any, **options: Any
    ) -> RESTResponse:
        """Send one request. If the token has expired, log in again and repeat it once: a pod's token lives an hour."""
        response = await self._send(method, url, header_params, *arguments, **options)
        if response.status != 401:
            return response
        # Off the event loop, because it reads files.
        self.default_headers |= (await asyncio.to_thread(self._login)).as_http_headers()
        return await self._send(method, url, (header_params or {}) | self.default_headers, *arguments, **options)

    async def _send(self, *arguments: Any, **options: Any) -> RESTResponse:
        self.requests += 1
        try:
            response = await super().call_api(*arguments, **options | {"_request_timeout": TIMEOUT})
            await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise KubeUnavailable(f"The API server can't be reached just now ({type(error).__name__}).") from error
        return response

    def response_deserialize(self, *arguments: Any, **options: Any) -> Any:
        """Return the answer as a typed object."""
        try:
            return super().response_deserialize(*arguments, **options)
        except client.ApiException as error:
            raise _typed(error) from error
        except ValueError as error:
            raise KubeUnavailable("The API server's answer can't be read.") from error


def _typed(error: client.ApiException) -> AtomicTicketsError:
    try:
        message = json.loads(error.body or "")["message"]
    except (ValueError, TypeError, KeyError):  # a proxy answered in place of the server
        message = error.reason
    code = error.status
    if code >= 500 or code in (0, 429):
        return KubeUnavailable(f"The API server answered {code}: {message}")
    return {404: KubeMissing, 409: KubeConflict}.get(code, KubeRefused)(code, message)

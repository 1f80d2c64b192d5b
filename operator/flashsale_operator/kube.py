"""The API server through the official client, with Kopf's login, bounded waits and typed errors."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import aiohttp
import kopf
from kubernetes.aio.client import (
    ApiClient,
    ApiException,
    AppsV1Api,
    Configuration,
    CoreV1Api,
    CoreV1Event,
    CustomObjectsApi,
    V1Deployment,
    V1Scale,
)
from kubernetes.aio.client.rest import RESTResponse

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from flashsale_operator.resource.models import GROUP, KIND, PLURAL, VERSION

PAGE = 250  # resources, of about 2 kB each
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)  # the client's own is five minutes
CONNECTIONS = 16
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

Object = dict[str, Any]
Result = TypeVar("Result")


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


class KubeClient(ApiClient):
    """The official client with Kopf's credentials. Each request is counted and bounded.

    A pod's token lives an hour: if one has expired, the client logs in again and repeats the request once.
    """

    def __init__(self, login: Callable[[], kopf.ConnectionInfo]) -> None:
        info = login()
        options = {"trust_env": info.trust_env}
        super().__init__(
            Configuration(host=info.server, connection_pool_maxsize=CONNECTIONS, client_session_kwargs=options)
        )
        self.requests = 0  # sent since the start, for the metrics
        self.rest_client.ssl_context = info.as_ssl_context()
        self.user_agent = "atomictickets-operator"
        self.default_headers |= info.as_http_headers()
        self._login = login

    async def call_api(
        self,
        method: str,
        url: str,
        header_params: dict[str, str] | None = None,
        *arguments: Any,
        **options: Any,
    ) -> RESTResponse:
        options["_request_timeout"] = TIMEOUT
        self.requests += 1
        response = await super().call_api(method, url, header_params, *arguments, **options)
        if response.status != 401:
            return response
        response.response.release()
        self.default_headers |= (await asyncio.to_thread(self._login)).as_http_headers()
        self.requests += 1
        return await super().call_api(
            method, url, (header_params or {}) | self.default_headers, *arguments, **options
        )


class KubeApi:
    """The calls that the operator makes in its namespace.

    All of them raise KubeUnavailable, and KubeRefused or one of its subclasses.
    """

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self._custom = CustomObjectsApi(client)
        self._apps = AppsV1Api(client)
        self._core = CoreV1Api(client)
        self._flashsales = (GROUP, VERSION, namespace, PLURAL)

    async def serves_flashsales(self) -> bool:
        """Return whether the CRD is installed and established."""
        try:
            found = await call(self._custom.get_api_resources, GROUP, VERSION)
        except KubeMissing:
            return False
        return any(resource.kind == KIND for resource in found.resources)

    async def flashsales(self) -> list[Object]:
        """Return all FlashSales as of one instant, not before this call. Raise if any page of them fails."""
        found: list[Object] = []
        token = None
        while True:
            page = await call(
                self._custom.list_namespaced_custom_object, *self._flashsales, limit=PAGE, _continue=token
            )
            found += page["items"]
            if not (token := page["metadata"].get("continue")):
                return found

    async def flashsale(self, name: str) -> Object:
        return await call(self._custom.get_namespaced_custom_object, *self._flashsales, name)

    async def replace_status(self, name: str, uid: str, status: Mapping[str, Any]) -> Object:
        """Replace the whole status of the resource with this uid. A later resource with the same name is refused."""
        change = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        patch = self._custom.patch_namespaced_custom_object_status
        return await call(patch, *self._flashsales, name, change, _content_type=JSON_PATCH)

    async def scale(self, deployment: str) -> V1Scale:
        return await call(self._apps.read_namespaced_deployment_scale, deployment, self.namespace)

    async def set_scale(self, deployment: str, replicas: int, seen_version: str) -> V1Scale:
        """Scale the Deployment. Raise KubeConflict if it was changed since `seen_version`."""
        change = {"metadata": {"resourceVersion": seen_version}, "spec": {"replicas": replicas}}
        patch = self._apps.patch_namespaced_deployment_scale
        return await call(patch, deployment, self.namespace, change, _content_type=MERGE)

    async def deployment(self, name: str) -> V1Deployment:
        return await call(self._apps.read_namespaced_deployment, name, self.namespace)

    async def create_event(self, event: CoreV1Event) -> None:
        """Post an event. Raise KubeConflict if an event with this name exists."""
        await call(self._core.create_namespaced_event, self.namespace, event)


async def call(request: Callable[..., Awaitable[Result]], *arguments: Any, **options: Any) -> Result:
    """Send one request of the official client. Raise KubeUnavailable, and KubeRefused or one of its subclasses."""
    try:
        return await request(*arguments, **options)
    except ApiException as error:
        code = int(error.status or 0)
        message = _message(error)
        if code >= 500 or code in (0, 429):
            raise KubeUnavailable(f"The API server answered {code}: {message}") from error
        raise {404: KubeMissing, 409: KubeConflict}.get(code, KubeRefused)(code, message) from error
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise KubeUnavailable(f"The API server can't be reached just now ({type(error).__name__}).") from error


def _message(error: ApiException) -> str:
    """Return the server's own sentence; a proxy before it may answer with something else."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, TypeError, KeyError):
        return str(error.reason or "no reason given")

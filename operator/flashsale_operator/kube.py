"""The calls of the API server that the operator makes, by the official client."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import kopf
from kubernetes.aio import client

from flashsale_operator.kube_client import KubeClient, KubeMissing
from flashsale_operator.resource.models import GROUP, KIND, PLURAL, VERSION

PAGE = 250  # resources, of about 2 kB each
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

Object = dict[str, Any]


class KubeApi(KubeClient):
    """The calls that the operator makes in its namespace."""

    def __init__(self, login: Callable[[], kopf.ConnectionInfo], namespace: str) -> None:
        super().__init__(login)
        self.namespace = namespace
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

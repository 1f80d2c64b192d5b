"""A stand-in for the Kubernetes API, for tests of the operator without a cluster."""

from collections.abc import Mapping
from typing import Any

import pytest
from kubernetes.aio.client import CoreV1Event, V1ObjectMeta, V1Scale, V1ScaleSpec

from flashsale_operator.kube import KubeApi, Object
from flashsale_operator.kube_client import KubeMissing, KubeUnavailable


class StandInKube(KubeApi):
    """An API server with one resource and one Deployment, which answers what the reconciler and the pool ask."""

    def __init__(self) -> None:
        super().__init__(lambda: pytest.fail("a test without a cluster"), "shop")
        self.resource: Object = {}
        self.away = False

    async def flashsales(self) -> list[Object]:
        if self.away:
            raise KubeUnavailable("The API server is away.")
        return [self.resource] if self.resource else []

    async def flashsale(self, name: str) -> Object:
        if not self.resource:
            raise KubeMissing(404, name)
        return self.resource

    async def replace_status(self, name: str, uid: str, status: Mapping[str, Any]) -> Object:
        del name, uid
        if self.away:
            raise KubeUnavailable("The API server is away.")
        self.resource = self.resource | {"status": dict(status)}
        return self.resource

    async def create_event(self, event: CoreV1Event) -> None:
        del event

    async def scale(self, deployment: str) -> V1Scale:
        del deployment
        return V1Scale(metadata=V1ObjectMeta(resource_version="7", uid="pool"), spec=V1ScaleSpec(replicas=1))

    async def set_scale(self, deployment: str, replicas: int, seen_version: str) -> None:
        del deployment, replicas, seen_version

    async def ready_replicas(self, deployment: str) -> int:
        del deployment
        return 1

"""The status of each FlashSale, stored by the operator for the dashboard.

API processes may not ask the API server of Kubernetes, so they read the status here:

`<prefix>:live:resource:<sale>`  string: the resource's status as JSON. Written by the operator when it reconciles
                                 the sale; expires two of its intervals and a minute later
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from app.live.stream import LiveUnavailable, broker_reachable

AWAY_SECONDS = 10.0  # how long a broker that is away is not asked again, so that not every reconciliation waits for it


class ResourceReports:
    """The reports, on the broker's server, which may lose them."""

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:live:resource"
        self._retry_at = 0.0

    async def store(self, sale: str, status: Mapping[str, Any], ttl_seconds: int) -> None:
        """Store the status for `ttl_seconds`. If the broker is away, drop it.

        Nothing is lost then: the next reconciliation stores the status again, and the status itself is in Kubernetes.
        """
        if time.monotonic() < self._retry_at:
            return
        try:
            with broker_reachable():
                await self._redis.set(f"{self._prefix}:{sale}", json.dumps(status), ex=ttl_seconds)
        except LiveUnavailable:
            self._retry_at = time.monotonic() + AWAY_SECONDS

    async def status_of(self, sale: str) -> dict[str, Any] | None:
        """Return the status, or None if the operator has stored none lately or the broker is away."""
        try:
            with broker_reachable():
                status: Any = await self._redis.get(f"{self._prefix}:{sale}")
        except LiveUnavailable:
            return None
        return None if status is None else dict(json.loads(status))

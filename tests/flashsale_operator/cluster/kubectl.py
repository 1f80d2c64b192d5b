"""A namespace of a real API server, by kubectl: what a user would type."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

Object = dict[str, Any]


class Namespace:
    """One test's own. Every call raises AssertionError with kubectl's own words where it fails."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            "--namespace",
            self.name,
            "--request-timeout=20s",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(None if stdin is None else stdin.encode())
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def apply(self, *objects: Object) -> None:
        await self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    async def get(self, what: str) -> Object:
        found: Object = json.loads(await self.kubectl("get", what, "-o", "json"))
        return found

    async def list(self, kind: str) -> Sequence[Object]:
        found: Sequence[Object] = json.loads(await self.kubectl("get", kind, "-o", "json"))["items"]
        return found

    async def sale(self, name: str = "drop") -> Object:
        return await self.get(f"flashsale/{name}")

    async def patch(self, name: str, **spec: Any) -> None:
        change = json.dumps({"spec": spec})
        await self.kubectl("patch", f"flashsale/{name}", "--type", "merge", "-p", change)

    async def delete(self, what: str) -> None:
        await self.kubectl("delete", what, "--wait=false")

    async def events(self, name: str = "drop") -> Sequence[str]:
        """Reasons, in the order in which they were posted."""
        found = [event for event in await self.list("events") if event["involvedObject"]["name"] == name]
        return [event["reason"] for event in sorted(found, key=_posted)]

    async def until(
        self, holds: Callable[[Object], bool], name: str = "drop", *, within_seconds: float = 30.0
    ) -> Object:
        """The sale, once it is so. Fails with the last one seen."""
        found: Object = {}
        try:
            async with asyncio.timeout(within_seconds):
                while not holds(found := await self.sale(name)):  # noqa: ASYNC110  it comes true in another process
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not so within {within_seconds} s: {json.dumps(found.get('status'))}") from None
        return found


def _posted(event: Object) -> int:
    return int(event["metadata"]["resourceVersion"])


def flashsale(name: str = "drop", *, stock: int = 10, **spec: Any) -> Object:
    """Looks every second, so that a test needs not wait long."""
    reconcile = {"intervalSeconds": 1, "graceSeconds": 2} | spec.pop("reconcile", {})
    return {
        "apiVersion": "atomictickets.dev/v1alpha1",
        "kind": "FlashSale",
        "metadata": {"name": name},
        "spec": {"strategy": "atomic", "stock": stock, "reconcile": reconcile} | spec,
    }


def phase(sale: Object) -> str:
    return str(sale.get("status", {}).get("phase"))


def is_phase(wanted: str) -> Callable[[Object], bool]:
    return lambda sale: phase(sale) == wanted


def condition(sale: Object, kind: str) -> Object:
    found = [one for one in sale.get("status", {}).get("conditions", []) if one["type"] == kind]
    return found[0] if found else {"status": "", "reason": ""}


def is_true(kind: str) -> Callable[[Object], bool]:
    return lambda sale: bool(condition(sale, kind)["status"] == "True")

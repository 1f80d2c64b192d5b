"""Manifests of FlashSales."""

from typing import Any

from flashsale_operator.resource.models import GROUP, KIND, VERSION

BASE: dict[str, Any] = {"strategy": "atomic", "stock": 10}
QUICK: dict[str, Any] = {"reconcile": {"intervalSeconds": 1, "graceSeconds": 2}}


def flashsale(name: str = "drop", spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a manifest. Fields of `spec` that are None are left out."""
    fields = {key: value for key, value in (BASE | (spec or {})).items() if value is not None}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": {"name": name}, "spec": fields}


def quick(name: str = "drop", **spec: Any) -> dict[str, Any]:
    """Return the manifest of a sale that is reconciled every second."""
    return flashsale(name, QUICK | spec)

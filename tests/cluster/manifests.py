"""FlashSales to declare."""

from typing import Any

from flashsale_operator.resource.models import GROUP, KIND, VERSION

BASE: dict[str, Any] = {"strategy": "atomic", "stock": 10}
QUICK: dict[str, Any] = {"reconcile": {"intervalSeconds": 1, "graceSeconds": 2}}


def flashsale(name: str = "drop", spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """A manifest; what is None in `spec` is left out."""
    wanted = {key: value for key, value in (BASE | (spec or {})).items() if value is not None}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": {"name": name}, "spec": wanted}


def quick(name: str = "drop", **spec: Any) -> dict[str, Any]:
    """One that is compared with the ledger every second."""
    return flashsale(name, QUICK | spec)

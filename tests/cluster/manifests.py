"""FlashSales to declare."""

from typing import Any

from flashsale_operator.resource.models import GROUP, KIND, VERSION

BASE: dict[str, Any] = {"strategy": "atomic", "stock": 10}


def flashsale(name: str, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """A manifest; what is None in `spec` is left out."""
    wanted = {key: value for key, value in (BASE | (spec or {})).items() if value is not None}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": {"name": name}, "spec": wanted}

"""A race report for the page, as `atomictickets race --json` writes it. `naive` is not exact, all others are."""

from collections.abc import Mapping
from typing import Any


def race_report(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return a report with these figures, given by strategy and by the figure's name.

    A figure that is left out stands for one that could not be read. The history of `function` was not checked.
    """
    workload = {"stock": 100, "requests": 1000, "think_ms": 50, "repeat": 5, "api_processes": 2}
    race = [entry(strategy, values) for strategy, values in figures.items()]
    return {"started_at": "2026-01-01T00:00:00+00:00", "workload": workload, "race": race}


def entry(strategy: str, values: Mapping[str, float]) -> dict[str, Any]:
    exact = strategy != "naive"
    return {
        "strategy": strategy,
        "promises_exactness": exact,
        "exact": exact,
        "checked": strategy != "function",
        "failure": None,
        "figures": {name: {"median": value, "lowest": value, "highest": value} for name, value in values.items()},
        "findings": [] if exact else [{"anomaly": "oversold", "count": 5}],
    }

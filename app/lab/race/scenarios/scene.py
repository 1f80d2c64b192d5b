"""A scene: the result of one scenario with one strategy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from app.blasts.load.result import LoadResult
from app.lab.race.history import History
from app.lab.race.sale_history import collect_history
from app.lab.race.stage import settled
from app.lab.race.target import OwnTarget
from app.lab.race.workload import Contestant, Workload
from app.races.history.check import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The result of one scenario with one strategy. `figures` are the scenario's own, by their headings."""

    strategy: str
    figures: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict
    history: History

    @property
    def found(self) -> dict[str, int]:
        """Return the count of each anomaly that was found."""
        return {str(finding.anomaly): finding.count for finding in self.verdict.findings}

    def as_json(self) -> dict[str, Any]:
        return {"strategy": self.strategy, "seen": self.figures, "verdict": self.verdict.as_json()}


async def scene_of(
    target: OwnTarget,
    contestant: Contestant,
    workload: Workload,
    results: Sequence[LoadResult],
    opened_at: float,
    *,
    crashes: Sequence[tuple[str, str, float]] = (),
    figures: Mapping[str, Any] = MappingProxyType({}),
) -> Scene:
    """Wait until the sale has settled, check its history, and return the scene."""
    accepted = len({record.reservation_id for result in results for record in result.records if record.reservation_id})
    view = await settled(target, contestant, accepted)
    history = await collect_history(target, contestant, workload, results, opened_at, crashes=crashes)
    if history is None:
        raise TypeError("The target must have a ledger.")
    common = {"stock": workload.stock, "accepted": accepted, "booked": view["booked"], "left": view["remaining"]}
    return Scene(strategy=contestant.name, figures=common | dict(figures), verdict=history.verdict(), history=history)

"""What the API server refuses beyond types and bounds, as rules of CEL, each with the sentence that a user reads.

CEL has no clock: whether a time has passed is the operator's to see. A rule with `oldSelf` holds for changes only. What
may be left out is compared with `.?`, on the parent of the field, so that leaving it out later is a change as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.sales.model import SALE_NAME
from app.sales.phase import Phase
from flashsale_operator.resource.models import WorkersSpec

NOT_YET_OPEN = [phase.value for phase in (Phase.PENDING, Phase.SEEDING, Phase.SCHEDULED)]
BEFORE_OPENING = f"oldSelf.?status.?phase.orValue('{Phase.PENDING}') in {NOT_YET_OPEN}"
NEXT_ROUND = "self.spec.round > oldSelf.spec.round"
# asyncpg and the conversion to UTC take fewer years than RFC 3339 can write; the HTTP API has the same bounds.
IN_OUR_TIMES = "self.getFullYear() >= 2000 && self.getFullYear() < 2200"


@dataclass(frozen=True, slots=True)
class Rule:
    """`field`: the one to name in the refusal, below where the rule stands (`.spec.stock`); empty for that place."""

    rule: str
    message: str
    field: str = ""

    def as_validation(self) -> dict[str, str]:
        validation = {"rule": self.rule, "message": self.message}
        return validation | ({"fieldPath": self.field} if self.field else {})


def _fixed_once_open(field: str) -> Rule:
    unchanged = f"self.spec.?{field} == oldSelf.spec.?{field}"
    return Rule(
        f"{unchanged} || {NEXT_ROUND} || {BEFORE_OPENING}",
        f"{field} is fixed once the sale has opened; to change it, raise round too, which starts the sale afresh",
        f".spec.{field}",
    )


RULES: Mapping[str, tuple[Rule, ...]] = {
    "": (
        Rule(
            f"self.metadata.name.matches('{SALE_NAME}')",
            "a sale's name is a DNS label: at most 63 of a-z, 0-9 and -, with a letter or digit at both ends",
        ),
        Rule(
            f"self.spec.stock >= oldSelf.spec.stock || {NEXT_ROUND}",
            "stock only grows while a round lasts; to lower it, raise round too, which starts the sale afresh",
            ".spec.stock",
        ),
        _fixed_once_open("opensAt"),
        _fixed_once_open("perCustomerLimit"),
        _fixed_once_open("thinkMilliseconds"),
    ),
    "spec": (
        Rule(
            "!has(self.opensAt) || !has(self.closesAt) || self.closesAt > self.opensAt",
            "closesAt must be later than opensAt",
            ".closesAt",
        ),
    ),
    "spec.strategy": (
        Rule("self == oldSelf", "strategy is fixed for the sale's life; declare a sale of another name to sell so"),
    ),
    "spec.opensAt": (Rule(IN_OUR_TIMES, "opensAt must be between the years 2000 and 2200"),),
    "spec.closesAt": (Rule(IN_OUR_TIMES, "closesAt must be between the years 2000 and 2200"),),
    "spec.round": (Rule("self >= oldSelf", "round is never lowered; raise it to start the sale afresh"),),
    "spec.workers": (
        Rule(
            "self.min <= self.max",
            f"workers.min must be at most workers.max, which is {WorkersSpec().max} where it is left out",
        ),
    ),
}
"""By the path of the schema they stand at."""

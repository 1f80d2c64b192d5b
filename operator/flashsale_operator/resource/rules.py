"""The validation rules of the CRD beyond types and bounds, in CEL, each with the message that the user reads.

CEL has no clock, so only the operator can see whether a time has passed. A rule with `oldSelf` applies to updates only.
Optional fields are compared with `.?`, in a rule on their parent, so that removing the field counts as a change too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.sales.model import SALE_NAME
from app.sales.phase import Phase
from flashsale_operator.resource.models import WorkersSpec

NOT_YET_OPEN = [phase.value for phase in (Phase.PENDING, Phase.SEEDING, Phase.SCHEDULED)]
BEFORE_OPENING = f"oldSelf.?status.?phase.orValue('{Phase.PENDING}') in {NOT_YET_OPEN}"
NEXT_ROUND = "self.spec.round > oldSelf.spec.round"
# asyncpg and the conversion to UTC support fewer years than RFC 3339; the HTTP API has the same bounds.
WITHIN_SUPPORTED_YEARS = "self.getFullYear() >= 2000 && self.getFullYear() < 2200"


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule. `field` is the field that the refusal names, relative to the rule's node; empty for the node."""

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
        f"{field} is fixed once the sale has opened; to change it, raise round too, which starts a new round",
        f".spec.{field}",
    )


RULES: Mapping[str, tuple[Rule, ...]] = {
    "": (
        Rule(
            f"self.metadata.name.matches('{SALE_NAME}')",
            "a sale's name must be a DNS label: at most 63 characters of a-z, 0-9 and -, without - at either end",
        ),
        Rule(
            f"self.spec.stock >= oldSelf.spec.stock || {NEXT_ROUND}",
            "stock can only be raised within a round; to lower it, raise round too, which starts a new round",
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
        Rule(
            "self == oldSelf",
            "strategy is fixed for the sale's life; to use another strategy, create a sale with another name",
        ),
    ),
    "spec.opensAt": (Rule(WITHIN_SUPPORTED_YEARS, "opensAt must be between the years 2000 and 2200"),),
    "spec.closesAt": (Rule(WITHIN_SUPPORTED_YEARS, "closesAt must be between the years 2000 and 2200"),),
    "spec.round": (Rule("self >= oldSelf", "round can't be lowered; raise it to start a new round"),),
    "spec.workers": (
        Rule(
            "self.min <= self.max",
            f"workers.min must be at most workers.max, which is {WorkersSpec().max} by default",
        ),
    ),
}
"""The rules by the path of their node in the schema."""

"""The step by which a sale's row follows a FlashSale resource. Pure functions: two descriptions in, one step out.

An ended sale frees its name for the next round. If a sale has not ended and follows another resource (after a restored
backup, or a deletion that the operator missed), it is adopted with its remaining tickets. A sale of the HTTP API is not
taken over, unless the resource says so.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.errors import AtomicTicketsError
from app.sales.model import Sale, SaleTerms


class Step(StrEnum):
    """The next step for the row. `NOTHING`: it is as desired, or already follows a newer version of the resource."""

    NOTHING = "nothing"
    CREATE = "create"
    ADOPT = "adopt"
    NEXT_ROUND = "next_round"
    AMEND = "amend"


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredSale:
    """The sale that a resource asks for.

    `round`: the resource's own count; the ledger's count is ahead of it if the name was used before.
    `generation`: the version of the resource, which distinguishes an older one from a newer one.
    `adopt`: whether a sale of the HTTP API may be taken over.
    """

    terms: SaleTerms
    uid: str
    generation: int
    round: int = 1
    paused: bool = False
    adopt: bool = False

    @property
    def name(self) -> str:
        return self.terms.name


class NameTaken(AtomicTicketsError):
    """The name belongs to a sale of the HTTP API."""

    status, slug, title = 409, "name-taken", "Name Taken"


class StockShrinks(AtomicTicketsError):
    """The stock of a round can grow, but not shrink."""

    status, slug, title = 409, "stock-shrinks", "Stock Shrinks"


class StrategyDiffers(AtomicTicketsError):
    """A name keeps the strategy of its first sale."""

    status, slug, title = 409, "strategy-differs", "Strategy Differs"


def next_step(desired: DesiredSale, observed: Sale | None) -> Step:
    """Return the next step. Raise NameTaken, StrategyDiffers or StockShrinks if the row cannot become as desired."""
    if observed is None:
        return Step.CREATE
    if is_outdated(desired, observed):
        return Step.NOTHING
    if observed.ended_at is None and observed.managed_by != "flashsale" and not desired.adopt:
        raise NameTaken(
            f"The name {desired.name!r} belongs to a sale of the HTTP API. To take the sale over with its remaining "
            'tickets, annotate the resource with atomictickets.dev/adopt: "true".'
        )
    if observed.terms.strategy != desired.terms.strategy:
        raise StrategyDiffers(
            f"The sale {desired.name!r} keeps its strategy {observed.terms.strategy!r} forever; choose another name."
        )
    if observed.ended_at is not None or asks_for_new_round(desired, observed):
        return Step.NEXT_ROUND
    if not is_follower(desired, observed):
        return Step.ADOPT  # keeps its stock if less is asked for; StockShrinks is raised once it follows the resource
    if desired.terms.stock < observed.terms.stock:
        raise StockShrinks(
            f"Round {observed.round} has a stock of {observed.terms.stock}, which can only grow. "
            "To sell fewer tickets, raise spec.round."
        )
    return Step.NOTHING if is_as_desired(desired, observed) else Step.AMEND


def is_follower(desired: DesiredSale, observed: Sale) -> bool:
    """Return whether the row follows this resource."""
    return observed.managed_by == "flashsale" and observed.owner_uid == desired.uid


def is_outdated(desired: DesiredSale, observed: Sale) -> bool:
    """Return whether the row already follows a newer version of this resource."""
    return is_follower(desired, observed) and desired.generation < (observed.owner_generation or 0)


def asks_for_new_round(desired: DesiredSale, observed: Sale) -> bool:
    """Return whether the resource asks for a round that was not started yet.

    The ledger's row does not keep this resource's count if it follows another resource. A round that the sale has not
    reached yet is new by either count. A sale of the HTTP API is adopted first.
    """
    if is_follower(desired, observed):
        return desired.round > (observed.owner_round or 0)
    return observed.managed_by == "flashsale" and desired.round > observed.round


def is_as_desired(desired: DesiredSale, observed: Sale) -> bool:
    """Return whether the row has the desired terms and pause."""
    return desired.terms.as_change_of(observed.terms) == observed.terms and desired.paused == observed.paused

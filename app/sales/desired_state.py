"""What becomes of a sale's row when a resource asks for the sale. Pure: two descriptions in, one step out.

Whose a name is: an ended sale's name is free for a next round. A sale that is not ended and follows another resource
(a restored backup, a deletion that nobody saw) is adopted with what is left of it. A sale of the HTTP API is not taken,
unless the resource says so.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.errors import AtomicTicketsError
from app.sales.model import Sale, SaleTerms


class Step(StrEnum):
    """`nothing`: the row is as wanted, or follows a newer version of the resource already."""

    NOTHING = "nothing"
    CREATE = "create"
    ADOPT = "adopt"
    NEXT_ROUND = "next_round"
    AMEND = "amend"


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredSale:
    """What a resource asks for. `round` is its own count; the ledger's is ahead of it where the name was used before.

    `generation` tells an older version of the resource from a newer one. `adopt`: an HTTP sale may be taken over.
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
    status, slug, title = 409, "name-taken", "Name Taken"


class StockShrinks(AtomicTicketsError):
    status, slug, title = 409, "stock-shrinks", "Stock Shrinks"


class StrategyDiffers(AtomicTicketsError):
    status, slug, title = 409, "strategy-differs", "Strategy Differs"


def next_step(wanted: DesiredSale, present: Sale | None) -> Step:
    """Raises NameTaken, StrategyDiffers or StockShrinks where the sale can't become what is wanted."""
    if present is None:
        return Step.CREATE
    if is_behind(wanted, present):
        return Step.NOTHING
    if present.ended_at is None and present.managed_by != "flashsale" and not wanted.adopt:
        raise NameTaken(
            f"A sale of the HTTP API has the name {wanted.name!r}. Annotate the resource with "
            'atomictickets.dev/adopt: "true" to take it over with what is left.'
        )
    if present.terms.strategy != wanted.terms.strategy:
        raise StrategyDiffers(
            f"The sale {wanted.name!r} has the strategy {present.terms.strategy!r} for ever; choose another name."
        )
    if present.ended_at is not None or is_raise(wanted, present):
        return Step.NEXT_ROUND
    if not is_follower(wanted, present):
        return Step.ADOPT  # with the stock that it has, where less is wanted: the follower is told then
    if wanted.terms.stock < present.terms.stock:
        raise StockShrinks(
            f"Round {present.round} has a stock of {present.terms.stock}, which only grows; for less, raise spec.round."
        )
    return Step.NOTHING if is_as_wanted(wanted, present) else Step.AMEND


def is_follower(wanted: DesiredSale, present: Sale) -> bool:
    return present.managed_by == "flashsale" and present.owner_uid == wanted.uid


def is_behind(wanted: DesiredSale, present: Sale) -> bool:
    """Whether the row follows a newer version of this very resource than the one at hand."""
    return is_follower(wanted, present) and wanted.generation < (present.owner_generation or 0)


def is_raise(wanted: DesiredSale, present: Sale) -> bool:
    """Whether the resource asks for a round that nobody has acted upon.

    Another resource's count is not this one's, but a round that the sale has not reached yet is new by any count.
    """
    if is_follower(wanted, present):
        return wanted.round > (present.owner_round or 0)
    return present.managed_by == "flashsale" and wanted.round > present.round


def is_as_wanted(wanted: DesiredSale, present: Sale) -> bool:
    return wanted.terms.beside(present.terms) == present.terms and wanted.paused == present.paused

"""The claims of the project, as sentences that the figures of a run either confirm or refute."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.lab.comparison.figures import SideFigures


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as a sentence with the measured figures, and whether they confirm it."""

    claim: str
    holds: bool


def claims_of(sides: Iterable[SideFigures]) -> list[Claim]:
    return [claim for figures in sides for claim in claims_of_one(figures)]


def claims_of_one(figures: SideFigures) -> Iterator[Claim]:
    """Yield the claims about one side."""
    yield from exact_claims(figures) if figures.promises_exactness else racing_claims(figures)
    yield from common_claims(figures)


def racing_claims(figures: SideFigures) -> Iterator[Claim]:
    """Yield the claims about a strategy that is meant to show the damage. A run that sold exactly refutes them."""
    sale, stock, booked = figures.sale, figures.stock, figures.booked
    yield Claim(
        f"{sale} oversells: {booked} bookings for {stock} {tickets(stock)}, {figures.oversold} too many.",
        figures.oversold > 0 and booked == stock + figures.oversold,
    )
    yield Claim(
        f"{sale}'s own counter hides it: it shows {figures.counter_says} sold, and the ledger has {booked}.",
        figures.counter_says < booked,
    )
    pairs = figures.witnesses.total
    yield Claim(
        f"{sale}'s race has witnesses: {pairs} {'pair' if pairs == 1 else 'pairs'} of purchases read one version and"
        " both wrote.",
        pairs > 0,
    )


def exact_claims(figures: SideFigures) -> Iterator[Claim]:
    """Yield the claims about a strategy that promises to sell exactly its stock."""
    sale, stock, identity = figures.sale, figures.stock, figures.identity
    yield Claim(f"{sale} accepts exactly its stock: {figures.accepted} of {stock}.", figures.accepted == stock)
    yield Claim(
        f"{sale} refuses all others as sold out: {figures.sold_out} of {figures.requests - stock}.",
        figures.sold_out == figures.requests - stock,
    )
    yield Claim(
        f"{sale} has as many bookings as tickets: {figures.booked} for {stock}.",
        figures.booked == stock and figures.oversold == 0 and figures.undersold == 0,
    )
    yield Claim(
        f"{sale}'s counter and ledger agree: {figures.counter_says} and {figures.booked} sold.",
        figures.counter_says == figures.booked,
    )
    yield Claim(
        f"{sale}'s identity adds up: stock {identity.stock} = remaining {identity.remaining}"
        f" + backlog {identity.backlog} + booked {identity.booked}.",
        identity.holds and identity.stock == stock and identity.booked == figures.booked,
    )


def common_claims(figures: SideFigures) -> Iterator[Claim]:
    """Yield the claims that every strategy must meet."""
    sale = figures.sale
    yield Claim(
        f"{sale} answers every buyer: {figures.errors} of {figures.requests} requests were neither accepted nor"
        " refused as sold out.",
        figures.errors == 0 and figures.accepted + figures.sold_out == figures.requests,
    )
    yield Claim(
        f"{sale} keeps its promises: {figures.accepted_but_not_booked} of {figures.accepted} accepted reservations"
        " are missing from the ledger.",
        figures.accepted_but_not_booked == 0 and figures.booked == figures.accepted,
    )
    yield Claim(
        f"{sale} sells to no buyer twice: {figures.accepted_twice} repeated answers, {figures.duplicates} duplicates.",
        figures.accepted_twice == 0 and figures.duplicates == 0,
    )
    seconds = figures.seconds_to_consistent
    yield Claim(
        f"{sale}'s ledger has caught up"
        + (" in time." if seconds is None else f" {seconds:.2f} s after the last acceptance."),
        seconds is not None and figures.identity.backlog == 0,
    )


def tickets(count: int) -> str:
    return "ticket" if count == 1 else "tickets"

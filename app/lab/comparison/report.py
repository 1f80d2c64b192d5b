"""The report of `atomictickets lab --once`, as JSON and as text that shows the strategies side by side."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from textwrap import wrap
from typing import Any

from app.lab.comparison.claims import Claim, claims_of, tickets
from app.lab.comparison.figures import SideFigures
from app.lab.text_table import aligned

PAGE_WIDTH = 80


def identity_text(figures: SideFigures) -> str:
    """Return the identity as an equation, with `!=` if it does not hold."""
    identity = figures.identity
    sign = "=" if identity.holds else "!="
    return f"{identity.stock} {sign} {identity.remaining} + {identity.backlog} + {identity.booked}"


def seconds_text(figures: SideFigures) -> str:
    return "not in time" if figures.seconds_to_consistent is None else f"{figures.seconds_to_consistent:.3f}"


LINES: tuple[tuple[str, Callable[[SideFigures], str]], ...] = (
    ('buyers who were answered "Ticket Reserved"', lambda figures: f"{figures.accepted}"),
    ('buyers who were answered "Sold Out"', lambda figures: f"{figures.sold_out}"),
    ("buyers with another answer, or none", lambda figures: f"{figures.errors}"),
    ("", lambda _: ""),
    ("tickets for sale", lambda figures: f"{figures.stock}"),
    ("bookings in the ledger", lambda figures: f"{figures.booked}"),
    ("tickets sold according to the counter", lambda figures: f"{figures.counter_says}"),
    ("OVERSOLD", lambda figures: f"{figures.oversold}"),
    ("undersold", lambda figures: f"{figures.undersold}"),
    ("pairs that read one version and both wrote", lambda figures: f"{figures.witnesses.total}"),
    ("stock = remaining + backlog + booked", identity_text),
    ("", lambda _: ""),
    ("latency p50 / p99, ms", lambda figures: f"{figures.latency.p50 * 1000:.1f} / {figures.latency.p99 * 1000:.1f}"),
    ("latency p95 / max, ms", lambda figures: f"{figures.latency.p95 * 1000:.1f} / {figures.latency.max * 1000:.1f}"),
    ("answers per second", lambda figures: f"{figures.answered_per_second:,.0f}"),
    ("from last acceptance to no backlog, s", seconds_text),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReport:
    """The report of one run of all sides.

    `started_at`: ISO 8601, in UTC
    `machine`, `versions`: those that were found at run time, not those that the requirements name
    """

    sides: tuple[SideFigures, ...]
    started_at: str
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def claims(self) -> list[Claim]:
        return claims_of(self.sides)

    @property
    def holds(self) -> bool:
        """Return whether every claim holds. A report without claims does not hold."""
        claims = self.claims
        return bool(claims) and all(claim.holds for claim in claims)

    def as_json(self) -> dict[str, Any]:
        return {
            "sides": [figures.as_json() for figures in self.sides],
            "claims": [{"claim": claim.claim, "holds": claim.holds} for claim in self.claims],
            "machine": self.machine,
            "versions": self.versions,
            "started_at": self.started_at,
        }

    def text(self) -> str:
        races = groupby(self.sides, key=lambda figures: (figures.requests, figures.concurrency, figures.stock))
        tables = [race_table(list(race)) for _, race in races]
        return "\n\n".join([*tables, self._claims_text(), self._circumstances()]) + "\n"

    def _claims_text(self) -> str:
        claims = self.claims
        lines = [f"Claims, checked from these figures: {sum(claim.holds for claim in claims)} of {len(claims)} hold"]
        for claim in claims:
            lines += claim_lines("holds" if claim.holds else "FAILS", claim.claim)
        return "\n".join(lines)

    def _circumstances(self) -> str:
        machine = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        facts = f"Measured {self.started_at}. Machine: {machine or 'unknown'}. Versions: {versions or 'unknown'}."
        return "\n".join(wrap(facts, PAGE_WIDTH, break_on_hyphens=False))


def race_table(race: list[SideFigures]) -> str:
    """Return a table with one column for each side. All have the same load and the same stock."""
    first = race[0]
    title = f"{first.requests} buyers, {first.concurrency} at once, {first.stock} {tickets(first.stock)}"
    heading = [title, *(figures.strategy for figures in race)]
    rows = [[label, *(value(figures) for figures in race)] for label, value in LINES]
    lines = [
        *aligned([heading, *rows]),
        "",
        *(line for figures in race for line in wrap(summary(figures), PAGE_WIDTH)),
        *(line for figures in race for line in figures.witnesses.lines(most=1)),
    ]
    return "\n".join(lines)


def summary(figures: SideFigures) -> str:
    """Return the result of the side as one sentence."""
    sold = f"{figures.strategy} sold {figures.booked} of {figures.stock} {tickets(figures.stock)}"
    agrees = figures.counter_says == figures.booked
    counter = "and its counter agrees" if agrees else f"its counter shows {figures.counter_says}"
    if figures.oversold == 0:
        return f"{sold}, {counter}."
    return f"{sold}, {figures.oversold} too many; {counter}."


def claim_lines(word: str, sentence: str) -> list[str]:
    """Return the lines of a claim: the word that says whether it holds, and the wrapped sentence."""
    lead = f"  {word}  "
    return wrap(sentence, PAGE_WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False)

"""The closing sentences of a race: which strategies were exact, which broke what, and what that costs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.lab.text_table import indented
from app.races.history.findings import Anomaly

COSTS: Mapping[Anomaly, str] = {
    Anomaly.OVERSOLD: "buyers hold tickets that do not exist",
    Anomaly.OVER_ACCEPTED: "buyers were promised tickets that do not exist",
    Anomaly.LOST_ORDER: "buyers were promised tickets, and no store has their orders",
    Anomaly.REJECTED_ORDER: "buyers were promised tickets, and the ledger refused their orders",
    Anomaly.BOOKED_TWICE: "one order took its tickets twice",
    Anomaly.BOOKED_THOUGH_REFUSED: "buyers were refused, and their orders are booked",
    Anomaly.BOOKED_UNASKED: "tickets are booked that nobody asked for",
    Anomaly.CANCELLED_UNASKED: "orders are cancelled that nobody gave back",
    Anomaly.REPLAY_DIFFERS: "one order was answered in two ways",
    Anomaly.FALSE_REPLAY: "an answer is marked as a repetition and is none, or the other way round",
    Anomaly.LIMIT_EXCEEDED: "a customer holds more tickets than one may have",
    Anomaly.FALSE_SOLD_OUT: "buyers were sent away while tickets were left",
    Anomaly.UNDERSOLD: "tickets stayed unsold that buyers had asked for",
    Anomaly.LEAKED: "tickets are neither sold nor left, so nobody can buy them",
    Anomaly.OVER_ADMITTED: "the counter still offers tickets that are sold",
    Anomaly.LOST_UPDATE: "a write replaced another one that it had not read",
    Anomaly.STALE_GUARD: "a check relied on a number that had changed",
    Anomaly.WRITE_SKEW: "two purchases each counted the customer's tickets without the other's",
    Anomaly.EXPIRED_LOCK: "two purchases wrote as holders of the same lock",
}


class Result(NamedTuple):
    """What a race or a scenario found of one strategy.

    `found`: counts by anomaly
    `promises`: whether it promises to be exact; None if what was broken is no part of the promise
    `failure`: whether it could not be measured to the end
    `checked`: whether histories were checked; otherwise only the service's own figures are known
    """

    name: str
    found: Mapping[str, int]
    promises: bool | None = None
    failure: bool = False
    checked: bool = True


def closing_lines(results: Sequence[Result], width: int, unreached: Sequence[str] = ()) -> list[str]:
    """Return the closing sentences, one paragraph for each strategy that was not exact.

    `unreached`: strategies to which an interrupted race did not come
    """
    exact = [result for result in results if not result.found and not result.failure]
    checked = [result.name for result in exact if result.checked]
    believed = [result.name for result in exact if not result.checked]
    failed = [result.name for result in results if result.failure]
    sentences = [f"No anomaly was found with {', '.join(checked)}."] if checked else []
    if believed:
        names = ", ".join(believed)
        sentences.append(f"No history was checked. According to the service itself, these were exact: {names}.")
    sentences += [sentence_of(result) for result in results if result.found]
    if failed:
        sentences.append(f"Not measured to the end: {', '.join(failed)}.")
    if unreached:
        sentences.append(f"Not reached: {', '.join(unreached)}.")
    return ["In short", *(line for sentence in sentences for line in indented(sentence, width, "  "))]


def sentence_of(result: Result) -> str:
    """Return a sentence that says what the strategy broke, and what that costs."""
    promise = {True: " broke its promise to be exact", False: " does not promise to be exact, and was not", None: ""}
    costs = "; ".join(f"{name} {count:,} ({COSTS[Anomaly(name)]})" for name, count in result.found.items())
    return f"{result.name}{promise[result.promises]}: {costs}."

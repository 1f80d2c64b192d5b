"""Each anomaly planted by hand is found as exactly that anomaly, and clean histories have no findings."""

from typing import Any

import pytest

from tests.support.history import History

SKEW: dict[str, Any] = {"guards": "customer:ada"}

PLANTED: dict[str, tuple[History, dict[str, int]]] = {
    "one ticket more than there is": (
        History(stock=1).won("ada", "r1").won("bob", "r2"),
        {"oversold": 1},
    ),
    "three tickets more, by one order": (
        History(stock=2).won("ada", "r1").won("bob", "r2", quantity=4),
        {"oversold": 3},
    ),
    "oversold after growth": (
        History(stock=1).restock("grow", 2.0, stock=2).won("ada", "r1", 3).won("bob", "r2", 3).won("eve", "r3", 3),
        {"oversold": 1},
    ),
    "accepted beyond the stock, and rejected by the ledger": (
        History(stock=1).won("ada", "r1").buy("bob", "r2").booking("r2", "bob", status="rejected"),
        {"over-accepted": 1, "rejected-order": 1},
    ),
    "an order that nobody has": (
        History().won("ada", "r1").buy("bob", "r2"),
        {"lost-order": 1},
    ),
    "two orders lost in a crash": (
        History().note("api-1", "info", "crash", {}, 2.0).buy("ada", "r1").buy("bob", "r2"),
        {"lost-order": 2},
    ),
    "an order lost, another one under its key": (
        History().buy("ada", "r1").booking("r2", "ada"),
        {"lost-order": 1},
    ),
    "booked twice under one key": (
        History().won("ada", "r1").booking("r2", "ada"),
        {"booked-twice": 1},
    ),
    "one reservation twice": (
        History().won("ada", "r1").booking("r1", "ada"),
        {"booked-twice": 1},
    ),
    "one perhaps, two bookings": (
        History().buy("ada", None).booking("r1", "ada").booking("r2", "ada"),
        {"booked-twice": 1},
    ),
    "two perhaps, three bookings": (
        History().buy("ada", None).buy("ada", None, 5).booking("r1", "ada").booking("r2", "ada").booking("r3", "ada"),
        {"booked-twice": 1},
    ),
    "refused, and booked": (
        History().buy("ada", "customer-limit").booking("r1", "ada"),
        {"booked-though-refused": 1},
    ),
    "contention that took a ticket": (
        History().buy("ada", "contention").booking("r1", "ada"),
        {"booked-though-refused": 1},
    ),
    "a booking that nobody asked for": (
        History().booking("r1", "ada"),
        {"booked-unasked": 1},
    ),
    "a booking of another's key": (
        History().buy("ada", "sold-out", key="k1").booking("r1", "ada", key="k2").left(9),
        {"booked-unasked": 1, "undersold": 9},
    ),
    "a booking of two where one was asked for": (
        History().buy("ada", "r1").booking("r1", "ada", quantity=2),
        {"booked-unasked": 1},
    ),
    "given back by nobody": (
        History().buy("ada", "r1").booking("r1", "ada", status="cancelled"),
        {"cancelled-unasked": 1},
    ),
    "one key, two reservations": (
        History().won("ada", "r1").buy("ada", "r2", 5, replayed=True),
        {"replay-differs": 1},
    ),
    "won, and then refused as sold out": (
        History(stock=1).won("ada", "r1").buy("ada", "sold-out", 5),
        {"replay-differs": 1},
    ),
    "won, and then refused as closed": (
        History().won("ada", "r1").buy("ada", "not-open", 5),
        {"replay-differs": 1},
    ),
    "a repetition of nothing": (
        History().buy("ada", "r1", replayed=True).booking("r1", "ada"),
        {"false-replay": 1},
    ),
    "a repetition that is not marked as one": (
        History().won("ada", "r1").buy("ada", "r1", 5),
        {"false-replay": 1},
    ),
    "a limit of one, and two tickets": (
        History(limit=1).won("ada", "r1", key="k1").won("ada", "r2", key="k2"),
        {"limit-exceeded": 1},
    ),
    "a limit of three, and one order of four": (
        History(limit=3).won("ada", "r1", quantity=4).won("bob", "r2", quantity=3),
        {"limit-exceeded": 1},
    ),
    "sold out, and sold to who asked later": (
        History(stock=2).won("ada", "r1").buy("bob", "sold-out", 2).won("eve", "r2", 5),
        {"false-sold-out": 1},
    ),
    "two were not to be had, and then sold one by one": (
        History(stock=2).buy("ada", "sold-out", quantity=2).won("bob", "r1", 5).won("eve", "r2", 7),
        {"false-sold-out": 1},
    ),
    "sold out though tickets came back long before": (
        History(stock=1)
        .buy("ada", "r1")
        .booking("r1", "ada", status="cancelled")
        .restock("release", 2.0, reservation_id="r1")
        .buy("bob", "sold-out", 5)
        .won("eve", "r2", 8),
        {"false-sold-out": 1},
    ),
    "sold out, and never sold": (
        History(stock=3).won("ada", "r1").buy("bob", "sold-out", 2),
        {"undersold": 2},
    ),
    "a ticket that is nowhere": (
        History(stock=2).won("ada", "r1").left(0),
        {"leaked": 1},
    ),
    "a counter that would sell too much": (
        History(stock=2).won("ada", "r1").won("bob", "r2").left(1),
        {"over-admitted": 1},
    ),
    "a lost update": (
        History()
        .won("ada", "r1")
        .won("bob", "r2")
        .attempt("api-1", "lost-update", "7")
        .attempt("api-2", "lost-update", "7"),
        {"lost-update": 1},
    ),
    "one version, three writers": (
        History()
        .attempt("api-1", "lost-update", "7")
        .attempt("api-2", "lost-update", "7")
        .attempt("api-1", "lost-update", "7"),
        {"lost-update": 2},
    ),
    "a stale guard": (
        History().attempt("api-1", "stale-guard", "7").attempt("api-2", "stale-guard", "7"),
        {"stale-guard": 1},
    ),
    "write skew": (
        History().attempt("api-1", "write-skew", "1", **SKEW).attempt("api-2", "write-skew", "1", **SKEW),
        {"write-skew": 1},
    ),
    "a lock that ran out": (
        History().attempt("api-1", "expired-lock", "7").attempt("api-2", "expired-lock", "7"),
        {"expired-lock": 1},
    ),
}

CLEAN: dict[str, History] = {
    "nobody came": History(),
    "exactly the stock, and no more": History(stock=2)
    .won("ada", "r1")
    .won("bob", "r2")
    .buy("eve", "sold-out", 5)
    .left(0),
    "refused as sold out while the last ticket was being sold": History(stock=1)
    .buy("ada", "r1", 0.0, until=9.0)
    .booking("r1", "ada")
    .buy("bob", "sold-out", 2),
    "asked before the refusal as sold out": History(stock=1)
    .buy("bob", "sold-out", 0.0, until=3.0)
    .buy("ada", "r1", 2.9, until=4.0)
    .booking("r1", "ada"),
    "tickets came back in between": History(stock=1)
    .buy("ada", "r1")
    .booking("r1", "ada", status="cancelled")
    .buy("bob", "sold-out", 2)
    .restock("release", 4.0, reservation_id="r1")
    .won("eve", "r2", 6),
    "refused as sold out while tickets were coming back": History(stock=1)
    .buy("ada", "r1")
    .booking("r1", "ada", status="cancelled")
    .restock("release", 2.0, until=5.0, reservation_id="r1")
    .buy("bob", "sold-out", 3)
    .won("eve", "r2", 6),
    "more tickets were added": History(stock=1)
    .won("ada", "r1")
    .buy("bob", "sold-out", 2)
    .restock("grow", 4.0, stock=2)
    .won("eve", "r2", 6),
    "a key that came again got the same answer": History().won("ada", "r1").buy("ada", "r1", 5, replayed=True),
    "a repetition that arrived first": History()
    .buy("ada", "r1", 0.0, until=5.0, process="slow")
    .buy("ada", "r1", 1.0, until=2.0, replayed=True)
    .booking("r1", "ada"),
    "an unknown answer that was booked": History().buy("ada", None).booking("r1", "ada"),
    "an unknown answer that was not": History().buy("ada", None),
    "unknown, and then answered": History().buy("ada", None).buy("ada", "r1", 5, replayed=True).booking("r1", "ada"),
    "asked twice within one purchase": History().buy("ada", "r1", replayed=True, attempts=2).booking("r1", "ada"),
    "contention, and then a ticket": History().buy("ada", "contention").won("ada", "r1", 5),
    "an alias of the first booking": History().won("ada", "r1").booking("r0", "ada", status="duplicate"),
    "a limit that was kept": History(limit=2).won("ada", "r1", quantity=2).buy("ada", "customer-limit", 5, key="k2"),
    "two were not to be had, one was": History(stock=1).buy("ada", "sold-out", quantity=2).won("bob", "r1", 5),
    "the next round": History(stock=1)
    .won("ada", "r1")
    .buy("bob", "sold-out", 2)
    .restock("open", 4.0, round=2, stock=1)
    .buy("ada", "r2", 6, round=2)
    .booking("r2", "ada", round=2),
    "an order that a person will look at": History(stock=1).buy("ada", "r1").booking("r1", "ada", status="set-aside"),
    "attempts that read one version, of which one wrote": History()
    .attempt("api-1", "lost-update", "7")
    .attempt("api-2", "lost-update", "7", wrote=False)
    .attempt("api-2", "lost-update", "8"),
    "one version of two things": History()
    .attempt("api-1", "write-skew", "0", guards="customer:ada")
    .attempt("api-2", "write-skew", "0", guards="customer:bob"),
    "never answered": History().note("ada", "invoke", "buy", {"customer": "ada", "key": "k"}, 1.0).booking("r1", "ada"),
}


@pytest.mark.parametrize(("history", "expected"), PLANTED.values(), ids=PLANTED)
def test_what_was_planted_is_found_and_nothing_else(history: History, expected: dict[str, int]) -> None:
    assert history.anomalies() == expected


@pytest.mark.parametrize("history", CLEAN.values(), ids=CLEAN)
def test_a_clean_history_is_left_in_peace(history: History) -> None:
    assert history.anomalies() == {}


def test_enough_was_planted() -> None:
    assert len(PLANTED) >= 25
    assert len(CLEAN) >= 10

"""Find the orders that the ledger has lost. Pure: no store is asked.

A worker commits bookings and acknowledges their orders, and these leave the stream. If PostgreSQL then fails over to a
standby that lacks the commit, or is restored from a backup, the gate alone knows of these orders. Their tickets are
taken, so a gate that gives back whatever no booking holds would sell them twice.
"""

from app.reconcile.measure import Sums


def unaccounted(remembered: int, sums: Sums) -> int:
    """Return how many orders the gate knows as booked, and the ledger neither has nor has set aside.

    Two counts show them, and the larger is returned. Those that left the stream in this epoch must all be decided. And
    each purchase whose answer the gate remembers, of any epoch of the round, must be in the stream or in the ledger.
    `remembered` was counted before the sums, so an order that is on its way meanwhile is in these, and not missed.
    """
    return max(0, sums.at.acknowledged_orders - sums.decided, remembered - sums.known)

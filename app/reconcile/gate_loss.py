"""Find evidence in a measurement that Redis went back in time or never held the sale. Pure: no store is asked."""

from enum import StrEnum

from app.reconcile.measure import Measurement


class Evidence(StrEnum):
    """A reason not to trust the gate's figures of a sale until it is recounted under a newer epoch."""

    MISSING = "the gate has no such sale"
    FENCED = "the sale is fenced"
    OTHER_SERVER = "the sale was seeded on another server"
    GATE_BEHIND = "the gate has an older epoch than the ledger"
    LEDGER_BEHIND = "the ledger has an older epoch than the gate"
    NUMBERS = "orders have higher numbers than the gate remembers"
    STREAM = "the gate counts a backlog and its stream is empty"
    STOCK = "the gate has more stock than the ledger"


def evidence(measurement: Measurement) -> Evidence | None:
    """Return the first evidence that applies, or None if nothing speaks against the gate.

    Data that the gate lacks is looked for in the snapshot after the reading of the ledger, and data that the ledger
    lacks in the snapshot before it. Otherwise an order that is accepted, or an epoch that is raised, between the
    readings would look like a loss.
    """
    before, after, ledger = measurement.before, measurement.after, measurement.ledger
    if before is None or after is None:
        return Evidence.MISSING
    newest = max(ledger.highest, (before.epoch, before.accepted))
    signs = {
        Evidence.FENCED: after.state == "fenced",
        Evidence.OTHER_SERVER: measurement.server != "" and before.server == after.server != measurement.server,
        Evidence.GATE_BEHIND: after.epoch < ledger.epoch,
        Evidence.LEDGER_BEHIND: before.epoch > ledger.epoch,
        Evidence.NUMBERS: (after.epoch, after.accepted) < newest,
        Evidence.STREAM: after.backlog > 0 and after.last_entry == "",
        Evidence.STOCK: before.epoch == ledger.epoch and before.stock > ledger.stock,
    }
    return next((sign for sign, present in signs.items() if present), None)

"""Find evidence that a store went back in time, so that the gate can't be trusted. Pure: no store is asked."""

from enum import StrEnum

from app.reconcile.observation import Observation


class Evidence(StrEnum):
    """A reason not to trust the gate's figures of a sale until it is recounted under a newer epoch."""

    MISSING = "the gate has no such sale"
    UNKNOWN_ROUND = "the gate has a newer round than the ledger, which has gone back in time"
    FENCED = "the sale is fenced"
    OTHER_SERVER = "the sale was seeded on another server"
    GATE_BEHIND = "the gate has an older epoch or round than the ledger"
    LEDGER_BEHIND = "the ledger has an older epoch than the gate"
    OLDER_TERMS = "the ledger has older terms than the gate"
    NUMBERS = "orders have higher numbers than the gate remembers"
    STREAM = "the gate counts a backlog and its stream is empty"
    ANSWERS = "the gate has forgotten answers of orders that it accepted"
    COUNTS = "the gate's counts of its orders differ"
    STOCK = "the gate has more stock than the ledger"


def evidence(observation: Observation) -> Evidence | None:
    """Return the first evidence that applies, or None if nothing speaks against the gate.

    Data that the gate lacks is looked for in the snapshot after the reading of the ledger, and data that the ledger
    lacks in the snapshot before it. Otherwise an order that is accepted, or an epoch that is raised, between the
    readings would look like a loss.
    """
    before, after, ledger = observation.before, observation.after, observation.ledger
    if before is None or after is None:
        return Evidence.MISSING
    newest = max(ledger.highest, (before.epoch, before.accepted))
    signs = {
        Evidence.UNKNOWN_ROUND: before.round > observation.round,
        Evidence.FENCED: after.state == "fenced",
        Evidence.OTHER_SERVER: observation.server != "" and before.server == after.server != observation.server,
        Evidence.GATE_BEHIND: after.epoch < ledger.epoch or after.round < observation.round,
        Evidence.LEDGER_BEHIND: before.epoch > ledger.epoch,
        Evidence.OLDER_TERMS: before.epoch == ledger.epoch and before.generation > ledger.generation,
        Evidence.NUMBERS: (after.epoch, after.accepted) < newest,
        Evidence.STREAM: after.backlog > 0 and after.last_entry == "",
        # The answers of a sale that is over expire.
        Evidence.ANSWERS: not ledger.over and observation.remembered < before.restored + before.written_orders,
        Evidence.COUNTS: after.accepted != after.written_orders,
        Evidence.STOCK: before.epoch == ledger.epoch and before.stock > ledger.stock,
    }
    return next((sign for sign, present in signs.items() if present), None)

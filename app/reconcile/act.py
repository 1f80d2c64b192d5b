"""Carry out what a check has decided. Each action is refused if the state that called for it has changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from opentelemetry.trace import INVALID_SPAN, Span
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.gate import Gate
from app.ledger.sales import SaleRepository
from app.reconcile.classify import Drift, Kind
from app.reconcile.decide import Action, Decision
from app.reconcile.follow import follow
from app.reconcile.ledger_loss import unaccounted
from app.reconcile.lost_numbers import tell_lost
from app.reconcile.measure import add_up
from app.reconcile.observation import Observation, observe
from app.reconcile.rebook import NONE, Rebooked, rebook_rounds
from app.reconcile.repair import clear_recount_flag, fence_and_recount, remove
from app.sales.model import Sale
from app.telemetry.names import CHANGED
from app.telemetry.spans import span


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What was done. `done` is False if it was refused.

    `epoch`: the sale's epoch afterwards.
    `in_stream`: the reservation ids of the orders that wait in the stream, None if they are not known.
    """

    action: Action
    epoch: int
    done: bool = True
    in_stream: tuple[str, ...] | None = None
    rebooked: Rebooked = NONE


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found, and what it decided."""

    sale: Sale
    observation: Observation
    drift: Drift | None
    decision: Decision


async def act(finding: Finding, gate: Gate, engine: AsyncEngine) -> Acted:
    """Carry out the decision. Raise TemporarilyUnavailable if a store is away."""
    here, action = finding.observation.after, finding.decision.action
    emptied = here is not None and here.last_entry == ""
    nothing = Acted(action=action, epoch=finding.observation.ledger.epoch, in_stream=() if emptied else None)
    with action_span(action) as acting:
        match action:
            case Action.REBOOK:
                acted = await _rebook(finding, nothing, gate, engine)
            case Action.RECOUNT:
                acted = await _recount(finding, nothing, gate, engine)
            case _:
                acted = replace(nothing, done=await _change(finding, gate, engine))
        acting.set_attribute(CHANGED, acted.done)
    return acted


async def _change(finding: Finding, gate: Gate, engine: AsyncEngine) -> bool:
    """Carry out an action that either takes effect or is refused. Return whether it took effect."""
    sale, here, decision = finding.sale, finding.observation.after, finding.decision
    match decision.action:
        case Action.AMEND:
            # Terms are committed before the gate receives them, so those read now are as new as the gate's.
            committed = await SaleRepository(engine).get(sale.name)
            return committed is not None and await follow(committed, gate)
        case Action.CLEAR_RECOUNT_FLAG:
            return await clear_recount_flag(sale, finding.observation.ledger, engine)
        case Action.GIVE_BACK if here is not None:
            return await gate.give_back(sale.name, here, decision.tickets)
        case Action.STOP if here is not None:
            return await gate.fence(sale.name, here.epoch)
        case Action.REMOVE:
            return await remove(sale, gate, engine)
        case _:
            return True


async def _rebook(finding: Finding, nothing: Acted, gate: Gate, engine: AsyncEngine) -> Acted:
    """Book again what the ledger has lost. If the gate remembers nothing of it, recount: its tickets are free.

    Dying before the ledger is trusted leaves the sale as it was, and the next check does the same.
    """
    sale, drift = finding.sale, finding.drift
    rebooked = await rebook_rounds(sale.name, sale.round, gate, engine)
    if drift is not None and drift.kind is Kind.LEDGER_LOST and not rebooked.orders:
        if await _lacks_orders(sale, gate, engine):
            return await _recount(finding, nothing, gate, engine)
        return replace(nothing, done=False)  # another process has booked them
    done = await gate.trust_ledger(sale, nothing.epoch, finding.observation.ledger.incarnation)
    return replace(nothing, done=done, rebooked=rebooked)


async def _lacks_orders(sale: Sale, gate: Gate, engine: AsyncEngine) -> bool:
    """Return whether the ledger still lacks orders that the gate knows as booked."""
    observation = await observe(sale, gate, engine)
    sums = None if observation is None else await add_up(sale, observation, gate, engine)
    return observation is not None and sums is not None and unaccounted(observation.remembered, sums) > 0


async def _recount(finding: Finding, nothing: Acted, gate: Gate, engine: AsyncEngine) -> Acted:
    recounted = await fence_and_recount(finding.sale, finding.observation, gate, engine)
    if recounted is None:
        return replace(nothing, action=Action.RECOUNT, done=False)
    if finding.observation.after is not None:
        await tell_lost(finding.sale, finding.observation.after, gate, engine)
    return replace(
        nothing,
        action=Action.RECOUNT,
        epoch=recounted.epoch,
        in_stream=recounted.in_stream,
        rebooked=recounted.rebooked,
    )


@contextmanager
def action_span(action: Action) -> Iterator[Span]:
    """Open a span for an action that changes something; open none for a mere check."""
    if action in (Action.NOTHING, Action.OBSERVE):
        yield INVALID_SPAN
    else:
        with span(action.value) as opened:
            yield opened

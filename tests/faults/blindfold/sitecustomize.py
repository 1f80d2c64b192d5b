"""Hide from every process of an installation the facts by which it would notice a failover.

Python imports a module of this name at each start if PYTHONPATH has its directory. BLINDFOLD lists what is hidden:
`run-id` (the server's run id, which some managed services hide too), `numbers` (that an order's number was used
before) and `ledger-loss` (that an order which the gate remembers has no booking).
"""

import os
from collections.abc import Sequence
from typing import Any

from app.gate import connection, gate
from app.gate.batching import PurchaseBatcher, SaleQueue
from app.gate.replies import BatchReply
from app.reconcile import classify, rebook
from app.sales.order import Order


async def nobody(_: gate.Gate, __: str) -> str:
    return ""


def hint_only(batcher: PurchaseBatcher, queue: SaleQueue, reply: BatchReply, _: int) -> None:
    if reply.hint_due:
        batcher._on_notice(queue.sale, reply.token, "hint")  # noqa: SLF001  replaces a method of the class


async def nothing_missing(_: str, __: Sequence[Order], ___: object) -> list[Order]:
    return []


def hide(owner: Any, name: str, instead: Any) -> None:
    assert hasattr(owner, name), f"nothing is called {name} any more, so that nothing would be hidden"
    setattr(owner, name, instead)


hidden = os.environ.get("BLINDFOLD", "").split()
if "run-id" in hidden:
    hide(connection, "_run_id", lambda _: "")
    hide(gate.Gate, "run_id", nobody)
if "numbers" in hidden:
    hide(PurchaseBatcher, "_check_numbers", hint_only)
if "ledger-loss" in hidden:
    hide(classify, "unaccounted", lambda *_: 0)
    hide(rebook, "_not_in_ledger", nothing_missing)

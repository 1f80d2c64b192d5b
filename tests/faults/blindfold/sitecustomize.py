"""Hide from every process of an installation the facts by which it would notice a failover.

Python imports a module of this name at each start if PYTHONPATH has its directory. BLINDFOLD lists what is hidden:
`run-id` (the server's run id, which some managed services hide too) and `numbers` (that an order's number was used
before).
"""

import os
from typing import Any

from app.gate import connection, gate
from app.gate.batching import PurchaseBatcher, SaleQueue
from app.gate.replies import BatchReply


async def nobody(_: gate.Gate, __: str) -> str:
    return ""


def hint_only(batcher: PurchaseBatcher, queue: SaleQueue, reply: BatchReply, _: int) -> None:
    if reply.hint_due:
        batcher._on_notice(queue.sale, reply.token, "hint")  # noqa: SLF001  replaces a method of the class


def hide(owner: Any, name: str, instead: Any) -> None:
    assert hasattr(owner, name), f"nothing is called {name} any more, so that nothing would be hidden"
    setattr(owner, name, instead)


hidden = os.environ.get("BLINDFOLD", "").split()
if "run-id" in hidden:
    hide(connection, "_run_id", lambda _: "")
    hide(gate.Gate, "run_id", nobody)
if "numbers" in hidden:
    hide(PurchaseBatcher, "_check_numbers", hint_only)

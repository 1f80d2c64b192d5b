"""An operator whose reconciliations neither end nor fail, and whose probe notices it after seconds, not minutes."""

import asyncio

import flashsale_operator.main  # noqa: F401  registers the handlers
from flashsale_operator import loop
from flashsale_operator.reconciler import FlashSaleReconciler
from flashsale_operator.work_queue import LOOP_SECONDS


async def never(reconciler: FlashSaleReconciler, name: str) -> None:  # noqa: ARG001  the signature of the real one
    await asyncio.Event().wait()


FlashSaleReconciler.reconcile = never  # type: ignore[method-assign,assignment]  # this is the fault
loop.STUCK_QUEUE_SECONDS = LOOP_SECONDS + 1

"""The operator with turns that neither end nor fail, and a probe that notices it after seconds instead of minutes."""

import asyncio

import flashsale_operator.main  # noqa: F401  its handlers
from flashsale_operator import loop
from flashsale_operator.reconciler import FlashSaleReconciler
from flashsale_operator.work_queue import LOOP_SECONDS


async def never(turns: FlashSaleReconciler, name: str) -> None:  # noqa: ARG001  as the real one
    await asyncio.Event().wait()


FlashSaleReconciler.reconcile = never  # type: ignore[method-assign,assignment]  # it is the fault
loop.STUCK_TURNS_SECONDS = LOOP_SECONDS + 1

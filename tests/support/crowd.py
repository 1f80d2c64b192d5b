"""A crowd in several processes that buys straight from a strategy, without HTTP, and the results of its purchases."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

from app.ledger.sales import SaleRepository
from app.ledger.tally import Tally
from app.sales.model import Sale, SaleTerms
from app.sales.outcomes import Outcome, Reserved
from app.sales.strategy import Snapshot
from app.strategies.dependencies import RegisteredStrategy
from tests.support.rush import Answers, Buyers, StoreAddresses, dependencies_at, rush, selling

PROCESSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """The result of one sale: the buyers' answers, the ledger's tally, and the snapshot of the strategy's counter."""

    sale: Sale
    accepted: list[Reserved]
    refused: list[Outcome]
    contended: int
    tally: Tally
    snapshot: Snapshot

    @property
    def oversold(self) -> int:
        return max(0, self.tally.booked - self.tally.stock)

    @property
    def undersold(self) -> int:
        """Return how many tickets are unsold. This is a loss only after a crowd larger than the stock."""
        return max(0, self.tally.stock - self.tally.booked)


class Crowd:
    """Buyers in PROCESSES processes, which live as long as the session, because it takes a second to start one."""

    def __init__(self, processes: ProcessPoolExecutor, start: Barrier, addresses: StoreAddresses, repeats: int) -> None:
        self._processes = processes
        self._start = start
        self._addresses = addresses
        self._repeats = repeats

    async def rush(
        self,
        strategy: type[RegisteredStrategy],
        *,
        stock: int = 100,
        buyers: int = 1000,
        repeats: int | None = None,
        customers: int | None = None,
        quantity: int = 1,
        think_ms: int = 0,
        settle: Callable[[Sale], Awaitable[object]] | None = None,
        **terms: Any,
    ) -> list[Sold]:
        """Send all buyers at once to each of `repeats` sales, one sale after another, and return their results.

        `repeats`: None for as many as the tier has. `customers`: how many different customers the buyers are.
        `settle` is awaited before a sale is counted, for a strategy whose orders reach the ledger later.
        """
        async with dependencies_at(self._addresses) as dependencies, selling(strategy, dependencies) as instance:
            ledger = SaleRepository(dependencies.engine)
            sales = []
            for number in range(self._repeats if repeats is None else repeats):
                sale_terms = SaleTerms(
                    name=f"drop-{number}", strategy=strategy.name, stock=stock, think_ms=think_ms, **terms
                )
                sales.append((await ledger.create(sale_terms, guarded=strategy.promises_exactness)).sale)
                await instance.prepare(sales[-1])
            answers = await self._send(strategy, [sale.name for sale in sales], buyers, customers or buyers, quantity)
            sold = []
            for sale, shares in zip(sales, zip(*answers, strict=True), strict=True):
                if settle is not None:
                    await settle(sale)
                snapshot = await instance.snapshot(sale)
                assert snapshot is not None
                sold.append(
                    Sold(
                        sale=sale,
                        accepted=[each for share in shares for each in share.accepted],
                        refused=[each for share in shares for each in share.refused],
                        contended=sum(share.contended for share in shares),
                        tally=await ledger.tally(sale.name, sale.round),
                        snapshot=snapshot,
                    )
                )
            return sold

    async def _send(
        self, strategy: type[RegisteredStrategy], sales: list[str], buyers: int, customers: int, quantity: int
    ) -> list[list[Answers]]:
        """Return the answers by process, and then by sale."""
        self._start.reset()
        names = [f"customer-{number % customers}" for number in range(buyers)]
        shares = [names[process::PROCESSES] for process in range(PROCESSES)]
        return await asyncio.gather(
            *(
                asyncio.wrap_future(
                    self._processes.submit(
                        rush, strategy, self._addresses, Buyers(sales=sales, customers=share, quantity=quantity)
                    )
                )
                for share in shares
            )
        )

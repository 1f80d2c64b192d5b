"""Buyers that come in one crowd after another while a test does something else."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from app.blasts.load.result import LoadResult, PurchaseRecord
from tests.cluster.manifests import flashsale
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.shop import Shop

STOCK = 100_000
LOAD_SECONDS = 8
PER_SECOND = 100  # the pods share two cores; more buyers would keep new pods from starting


class Queue:
    """A queue of buyers, which goes on until it is closed. Each buyer retries `retries` times with the same key."""

    def __init__(self, shop: Shop, crowd: CrowdPod, sale: str, retries: int) -> None:
        self._shop, self._crowd, self._sale, self._retries = shop, crowd, sale, retries
        self._closed = False
        self.crowds: list[LoadResult] = []

    def run(self) -> None:
        while not self._closed:
            bought = self._crowd.buy(
                self._shop.url,
                self._sale,
                requests=LOAD_SECONDS * PER_SECOND,
                rate=PER_SECOND,
                concurrency=40,
                retries=self._retries,
            )
            self.crowds.append(bought)

    def close(self) -> None:
        self._closed = True

    def outcomes(self) -> dict[str, int]:
        kinds = {outcome for crowd in self.crowds for outcome in crowd.outcomes}
        return {kind: sum(crowd.outcomes.get(kind, 0) for crowd in self.crowds) for kind in kinds}

    def records(self) -> list[PurchaseRecord]:
        return [told for crowd in self.crowds for told in crowd.records]


@contextmanager
def buyers(shop: Shop, crowd: CrowdPod, beside: ThreadPoolExecutor, sale: str, *, retries: int = 0) -> Iterator[Queue]:
    """Open a sale and let buyers queue for it until the block ends. By then every buyer has been answered."""
    shop.kubectl.apply(flashsale(sale, {"stock": STOCK}))
    shop.until_open(sale)
    queue = Queue(shop, crowd, sale, retries)
    running: Future[None] = beside.submit(queue.run)
    try:
        yield queue
    finally:
        queue.close()
        running.result()

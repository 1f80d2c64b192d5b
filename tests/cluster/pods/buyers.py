"""Buyers that come in one crowd after another while a test does something else."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from app.blasts.load.failures import TargetUnreachable
from app.blasts.load.result import LoadResult, PurchaseRecord
from tests.cluster.kubectl import Refused
from tests.cluster.manifests import flashsale
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.shop import Shop

STOCK = 100_000
LOAD_SECONDS = 8
RETRIES = 60  # with the same key: a pod that was killed before starts again only after 10 or 20 s
MAX_SECONDS = 100  # of a crowd that has to ask many times
PER_SECOND = 100  # the pods share two cores; more buyers would keep new pods from starting


class SteadyLoad:
    """A steady load of buyers, until it is stopped. Each buyer retries `retries` times with the same key."""

    def __init__(self, shop: Shop, crowd: CrowdPod, sale: str, retries: int) -> None:
        self._shop, self._crowd, self._sale, self._retries = shop, crowd, sale, retries
        self._stopped = False
        self.results: list[LoadResult] = []
        self.turned_away = 0  # crowds in which a buyer could not connect, so that nobody bought

    def run(self) -> None:
        while not self._stopped:
            try:
                result = self._crowd.buy(
                    self._shop.url,
                    self._sale,
                    requests=LOAD_SECONDS * PER_SECOND,
                    rate=PER_SECOND,
                    concurrency=40,
                    retries=self._retries,
                    seconds=MAX_SECONDS,
                )
            except Refused as refused:
                if TargetUnreachable.__name__ not in str(refused):
                    raise
                self.turned_away += 1
            else:
                self.results.append(result)

    def stop(self) -> None:
        """Let `run` return when the buyers that are under way have been answered."""
        self._stopped = True

    def outcomes(self) -> dict[str, int]:
        kinds = {kind for result in self.results for kind in result.outcomes}
        return {kind: sum(result.outcomes.get(kind, 0) for result in self.results) for kind in kinds}

    def records(self) -> list[PurchaseRecord]:
        return [record for result in self.results for record in result.records]


@contextmanager
def buyers(
    shop: Shop, crowd: CrowdPod, background: ThreadPoolExecutor, sale: str, *, retries: int = 0
) -> Iterator[SteadyLoad]:
    """Open a sale and let buyers come until the block ends. Then every buyer has been answered."""
    shop.kubectl.apply(flashsale(sale, {"stock": STOCK}))
    shop.until_open(sale)
    load = SteadyLoad(shop, crowd, sale, retries)
    running: Future[None] = background.submit(load.run)
    try:
        yield load
    finally:
        load.stop()
        running.result()

"""Fixtures for an open sale in real stores, and for real Celery workers that drain it."""

import os
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.lab.stack.process import ChildProcess
from app.lab.stack.service import CELERY_WORKER
from tests.support.project import PROJECT
from tests.support.sale_stream import SaleStream

START_SECONDS = 60

MakeWorker = Callable[..., ChildProcess]


@pytest.fixture
async def sale_stream(stock_redis: Redis, engine: AsyncEngine, key_prefix: str) -> SaleStream:
    """Return an open sale of 100 tickets."""
    return await SaleStream(stock_redis, engine, key_prefix).open(100)


@pytest.fixture
def make_worker(tmp_path: Path, store_environment: dict[str, str], key_prefix: str) -> Iterator[MakeWorker]:
    """Yield a function that starts `celery worker` as the lab does, and returns when its child reaches the stores.

    `environment` overrides the default settings. With `wait=False` it returns at once.
    """
    made: list[ChildProcess] = []
    numbers = count(1)

    def make(*, wait: bool = True, **environment: str) -> ChildProcess:
        number = next(numbers)
        ready = tmp_path / f"worker-{number}.ready"
        worker = ChildProcess(
            f"worker {number}",
            [sys.executable, "-m", "celery", *CELERY_WORKER, "-n", f"worker-{number}-{key_prefix}@%h"],
            log=tmp_path / f"worker-{number}.log",
            directory=PROJECT,
            environment=os.environ
            | store_environment
            | {"WORKER_READY_FILE": str(ready), "DRAIN_CLAIM_IDLE_SECONDS": "0.2", "DRAIN_SWEEP_SECONDS": "0.1"}
            | environment,
        )
        made.append(worker)
        worker.start()
        if wait:
            worker.wait_ready(ready.exists, seconds=START_SECONDS)
        return worker

    yield make
    for worker in made:
        worker.kill()


def logged(worker: ChildProcess, words: str) -> bool:
    """Return whether these words are anywhere in the worker's log."""
    return words in worker.log.read_text(errors="replace")

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.connection import make_redis
from app.lab.process import ChildProcess
from app.ledger.engine import make_engine
from app.settings import GateSettings, LedgerSettings
from tests.support.project import PROJECT
from tests.support.stall import Stall

START_SECONDS = 30

MakeWorker = Callable[..., ChildProcess]


@pytest.fixture
async def stall(redis_url: str, database_url: str, key_prefix: str) -> AsyncIterator[Stall]:
    redis: Redis = make_redis(redis_url, "test", GateSettings())
    engine: AsyncEngine = make_engine(database_url, "test", LedgerSettings(), pool_size=2)
    yield await Stall(redis, engine, key_prefix).open(100)
    await redis.aclose()
    await engine.dispose()


@pytest.fixture
def make_worker(
    tmp_path: Path, redis_url: str, broker_url: str, database_url: str, key_prefix: str
) -> Iterator[MakeWorker]:
    """Starts `celery worker` as the lab does; `environment` overrides. Returns when its child reaches the stores."""
    made: list[ChildProcess] = []
    numbers = count(1)

    def make(*, wait: bool = True, **environment: str) -> ChildProcess:
        number = next(numbers)
        ready = tmp_path / f"worker-{number}.ready"
        worker = ChildProcess(
            f"worker {number}",
            [
                *(sys.executable, "-m", "celery", "-A", "worker.main", "worker", "--pool", "prefork"),
                *(
                    "--concurrency",
                    "1",
                    "-n",
                    f"worker-{number}-{key_prefix}@%h",
                    "--without-mingle",
                    "--without-gossip",
                ),
            ],
            log=tmp_path / f"worker-{number}.log",
            directory=PROJECT,
            environment=os.environ
            | {
                "REDIS_URL": redis_url,
                "BROKER_URL": broker_url,
                "DATABASE_URL": database_url,
                "GATE_KEY_PREFIX": key_prefix,
                "WORKER_READY_FILE": str(ready),
                "DRAIN_CLAIM_IDLE_SECONDS": "0.2",
                "DRAIN_SWEEP_SECONDS": "0.1",
            }
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

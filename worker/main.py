"""The Celery application: `celery -A worker.main worker --pool prefork --concurrency 1`.

A task is only a hint that a sale has orders; the orders themselves are in the sale's stream. So a task may be lost,
delivered twice or sent for nothing, and no result is kept. The exception is `book_order`, for the strategy without a
stream: its message is the order, which may be delivered twice and must not be lost.
"""

import logging
import os
import warnings
from typing import Any

from billiard import pool
from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown

from app.drain.broker import broker_settings
from app.drain.hints import DRAIN_QUEUE
from app.settings import StoreSettings
from app.telemetry.logs import configure_logs
from app.telemetry.tracing import start_tracing
from worker import runtime

# Celery 5.7 uses this warning only to ask for the setting that would end the children whenever the broker is lost.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)

# A child that ends waits until its parent has read the results of its tasks, for 300 times 0.1 s. But a parent that
# ends forgets the tasks whose start it has not read, and reads no more (Celery 5.7, billiard 4.3). One stop in fifty
# took half a minute, which is all that Kubernetes allows. No result is kept here, and a message that nobody
# acknowledged is delivered again.
pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10

# Celery's command line reads BROKER_URL as its own option, stores it here, and would prefer it to the settings below.
# But it knows neither the forms of a URL in app.redis_address nor BROKER_PASSWORD.
os.environ.pop("CELERY_BROKER_URL", None)

app = Celery("atomictickets", include=["worker.tasks"])
app.conf.update(
    task_default_queue=DRAIN_QUEUE,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,
    worker_disable_prefetch=True,  # a hint waits for the first free worker, not for a busy one
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,  # it would kill the child with its sweep
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    **broker_settings(
        StoreSettings().broker_url,
        visibility_timeout=60,  # seconds until a dead worker's hint is delivered again; a sweep runs much earlier
        socket_connect_timeout=1.0,
        socket_timeout=5.0,
    ),
)


@setup_logging.connect
def _logs(**_: Any) -> None:
    configure_logs(process="worker")
    for chatty in ("celery.worker.strategy", "celery.app.trace"):  # two lines a hint, four hints a second
        logging.getLogger(chatty).setLevel(logging.WARNING)


@worker_process_init.connect
def _start(**_: Any) -> None:
    configure_logs(process="worker")  # again, for the child's own pid
    runtime.start(start_tracing("atomictickets-worker"))  # after the fork, which would not copy its thread


@worker_process_shutdown.connect
def _stop(**_: Any) -> None:
    runtime.stop()

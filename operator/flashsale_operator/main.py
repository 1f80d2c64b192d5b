"""The operator as a process: `kopf run -m flashsale_operator.main --standalone --namespace NAMESPACE --liveness URL`.

The handlers only start and stop the parts, pass on watch events and answer the liveness probe. None of them makes Kopf
write to a resource. Without a finalizer, an annotation or a status of Kopf's own, deleting a resource or its namespace
never hangs, even if the operator was removed first.
"""

import asyncio
import logging
import os
import socket
from typing import Any

import kopf
import structlog

from app.cancellation import cancel_until_done
from app.telemetry.logs import configure_logs
from app.telemetry.tracing import start_tracing
from flashsale_operator.kube import KubeApi
from flashsale_operator.kube_client import log_in
from flashsale_operator.leader_election import LeaderElection
from flashsale_operator.loop import FlashSaleLoop, until_served
from flashsale_operator.metrics import OperatorMetrics
from flashsale_operator.resource.models import GROUP, PLURAL, VERSION
from flashsale_operator.settings import OperatorSettings
from flashsale_operator.stores import Stores

log = structlog.get_logger()


@kopf.on.login()
def login(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
    return log_in(settings)


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    operator_settings = OperatorSettings()
    configure_logs(process="operator")
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # otherwise one line for each watch event
    logging.getLogger("kubernetes.aio.leaderelection").setLevel(logging.WARNING)  # leader_election.py logs the same
    memo.end_tracing = start_tracing("atomictickets-operator", changes_only=True)
    settings.scanning.disabled = True  # otherwise Kopf lists the namespaces and CRDs of the whole cluster
    settings.posting.enabled = False  # the operator posts events itself, under names that make a repeat a conflict
    settings.watching.server_timeout = 120  # renews a watch whose connection died silently
    settings.watching.client_timeout = 150
    settings.watching.connect_timeout = 5
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 10
    kube = KubeApi(lambda: log_in(settings), operator_settings.namespace)
    await until_served(kube)
    metrics = OperatorMetrics(lambda: kube.requests)
    if operator_settings.metrics_port:
        metrics.serve(operator_settings.metrics_port)
    identity = operator_settings.identity or f"{socket.gethostname()}-{os.getpid()}"
    election = LeaderElection(kube, operator_settings, identity)
    memo.stores = Stores.open(operator_settings.sales_at_once)
    memo.kube = kube
    memo.election = election
    memo.loop = FlashSaleLoop(memo.stores, kube, election, metrics, operator_settings)
    endless = (election.run(), memo.loop.resync_forever(), memo.loop.lead_forever())
    memo.tasks = [asyncio.create_task(each) for each in endless]
    for task in memo.tasks:
        task.add_done_callback(log_failure)


def log_failure(task: asyncio.Task[None]) -> None:
    """Log the error that ended a task. The process lives until the kubelet has seen its probe fail often enough."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task of the operator failed", exc_info=error)


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    if memo.get("tasks"):
        cancel_until_done(*memo.tasks)
        await asyncio.wait(memo.tasks)
        await memo.election.release()
        await memo.stores.close()
        await memo.kube.close()
    if memo.get("end_tracing"):
        await asyncio.to_thread(memo.end_tracing)


@kopf.on.event(GROUP, VERSION, PLURAL)
async def handle_event(type: str | None, body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:  # noqa: A002  Kopf's name
    memo.loop.handle_event(type, body)


@kopf.on.probe(id="loop")
async def alive(memo: kopf.Memo, **_: Any) -> str:
    """Fail the probe if the loop is stuck. Raise PermanentError only: any other error would make the probe hang."""
    ended = [task for task in memo.tasks if task.done()]
    why = "the loop has ended" if ended else memo.loop.stuck()
    if why:
        raise kopf.PermanentError(why)
    return "running"

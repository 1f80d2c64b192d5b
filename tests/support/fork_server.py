"""A warm process that has imported what the service's processes import, and forks each of them on demand.

tests/support/forking.py starts it as `python -m tests.support.fork_server CHANNEL PARENT` and sends it requests.
Starting Python with all these imports takes a second of CPU; a fork takes milliseconds. A forked process has its own
session, environment, directory and log, like one that `launch_dying_with_parent` starts, and runs its module as
`python -m` does. One thing differs: /proc/<pid>/environ shows the server's environment, not the forked process's own.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from app.lab.stack.die_with_parent import die_with_parent

WARM = (
    *("fastapi_offline", "uvicorn.lifespan.on", "uvicorn.protocols.http.httptools_impl", "uvloop"),
    *("celery.bin.celery", "celery.bin.worker", "celery.apps.worker", "celery.concurrency.prefork", "celery.fixups"),
    *("celery.worker.components", "celery.worker.consumer", "kombu.transport.redis"),
    *("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk.trace.export", "kopf.cli"),
    *(f"kubernetes.aio.client.api.{api}_api" for api in ("apps_v1", "coordination_v1", "core_v1", "custom_objects")),
    "kubernetes.aio.leaderelection.leaderelection",
    *("app.live.hub", "app.live.sale_poller", "app.drain.ownership", "app.drain.set_aside", "app.drain.hints"),
    *("app.reconcile.measure", "app.reconcile.decide", "app.ledger.retention", "app.ledger.tickets"),
    *("app.ledger.purchase_batch", "app.races.spans", "app.telemetry.changed_traces", "app.services.sale_view"),
    *("app.api.orders", "app.api.docs_page", "app.api.dashboard", "app.races.schemas", "app.api.bodies"),
)
OF_ONE_PROCESS = {"prometheus_client", "app.failpoints", "app.telemetry.sampling"}
"""Modules that read the environment or draw a random value at import. Each forked process must import them itself."""

MAX_BYTES = 128 * 1024  # of a message, which holds the whole environment of a process


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork a process for each request, and report each one that ended. Return None when the channel is closed.

    In a forked process, return its request instead.
    """
    wakeup, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        selector.register(wakeup, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is wakeup:
                    wakeup.recv(4096)
                    report_ended(channel)
                    continue
                received = channel.recv(MAX_BYTES)
                if not received:
                    return None
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (channel, wakeup, wake):
                        each.close()
                    request: dict[str, Any] = json.loads(received)
                    return request
                channel.sendall(json.dumps({"started": pid}).encode())


def report_ended(channel: socket.socket) -> None:
    """Report every forked process that has ended, with its exit code."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        channel.sendall(json.dumps({"ended": pid, "exit_code": os.waitstatus_to_exitcode(status)}).encode())


def become(request: Mapping[str, Any], server: int) -> None:
    """Turn this forked process into the requested one, and run its module."""
    os.setsid()
    die_with_parent(server, request["parent_death_signal"])
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    module, *arguments = request["arguments"]
    sys.argv = [module, *arguments]
    sys.path[0] = request["directory"]
    use_python_path(request["environment"].get("PYTHONPATH", ""))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def use_python_path(value: str) -> None:
    """Put the directories of PYTHONPATH first, and import their sitecustomize, if any (see tests/faults/blindfold)."""
    sys.path[1:1] = [entry for entry in value.split(os.pathsep) if entry and entry not in sys.path]
    sys.modules.pop("sitecustomize", None)
    with suppress(ModuleNotFoundError):
        importlib.import_module("sitecustomize")


def main(channel: int, parent: int) -> None:
    die_with_parent(parent, signal.SIGTERM)
    for module in WARM:
        importlib.import_module(module)
    if shared := OF_ONE_PROCESS & set(sys.modules):
        sys.exit(f"not for many processes: {shared}")
    gc.collect()
    gc.freeze()  # otherwise the first collection in each fork writes to, and so copies, every shared page
    server = os.getpid()
    request = serve(socket.socket(fileno=channel))
    if request is not None:
        become(request, server)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""A warm process that has imported what the service's processes import, and forks each of them on demand.

`python -m tests.support.fork_server CHANNEL PARENT`; tests/support/forking.py speaks to it. Starting Python and
importing all of it takes a second of CPU; a fork takes milliseconds. A forked process has a session, environment,
directory and log of its own, as one that `launch_dying_with_parent` starts, and runs its module as `python -m` does.
What it cannot have is an environment of its own in /proc: that stays the server's.
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
    *("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk.trace.export", "aiohttp", "kopf.cli"),
    *("app.live.hub", "app.live.sale_poller", "app.drain.ownership", "app.drain.set_aside", "app.drain.hints"),
    *("app.reconcile.repair", "app.reconcile.measure", "app.ledger.retention", "app.ledger.tickets"),
    *("app.ledger.purchase_batch", "app.races.spans", "app.telemetry.changed_traces", "app.services.sale_view"),
    *("app.api.orders", "app.api.docs_page", "app.api.dashboard", "app.races.schemas", "app.api.bodies"),
)
OF_ONE_PROCESS = {"prometheus_client", "app.failpoints", "app.telemetry.sampling"}
"""They read the environment, or draw something random, when they are imported: each fork imports them by itself."""

MOST_BYTES = 128 * 1024  # of a message: an environment


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Forks what is ordered and tells what ended, until the channel is closed. In a fork: returns its order."""
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
                    tell_ended(channel)
                    continue
                received = channel.recv(MOST_BYTES)
                if not received:
                    return None
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (channel, wakeup, wake):
                        each.close()
                    order: dict[str, Any] = json.loads(received)
                    return order
                channel.sendall(json.dumps({"started": pid}).encode())


def tell_ended(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        channel.sendall(json.dumps({"ended": pid, "exit_code": os.waitstatus_to_exitcode(status)}).encode())


def become(order: Mapping[str, Any], server: int) -> None:
    """Makes of this fork the process that was ordered."""
    os.setsid()
    die_with_parent(server, order["parent_death_signal"])
    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environment"])
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    module, *arguments = order["arguments"]
    sys.argv = [module, *arguments]
    sys.path[0] = order["directory"]
    use_python_path(order["environment"].get("PYTHONPATH", ""))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def use_python_path(value: str) -> None:
    """Imports from there first, and what is there for the start of each process (tests/faults/blindfold)."""
    sys.path[1:1] = [entry for entry in value.split(os.pathsep) if entry and entry not in sys.path]
    sys.modules.pop("sitecustomize", None)
    with suppress(ModuleNotFoundError):
        importlib.import_module("sitecustomize")


def main(channel: int, tests: int) -> None:
    die_with_parent(tests, signal.SIGTERM)
    for module in WARM:
        importlib.import_module(module)
    if shared := OF_ONE_PROCESS & set(sys.modules):
        sys.exit(f"not for many processes: {shared}")
    gc.collect()
    gc.freeze()  # else the first collection of each fork writes to every page that it shares
    server = os.getpid()
    order = serve(socket.socket(fileno=channel))
    if order is not None:
        become(order, server)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""Start servers, API and workers on this machine, and run them until Ctrl-C.

With --once it sells the same tickets by a strategy that oversells and by one that does not, prints a report and exits.
A store whose variable is set (REDIS_URL, BROKER_URL, DATABASE_URL) is used; the others are started.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from app.api.lab_control import CONTROL_VARIABLE, LabControl, is_loopback
from app.lab.cli.main import INTERRUPTED
from app.lab.cli.options import (
    API_PROCESSES,
    HOME,
    JSON_FILE,
    WORKERS,
    number,
    refuse_without_effect,
    say,
    write_json,
)
from app.lab.stack import api_port, clients
from app.lab.stack.faults import Faults
from app.lab.stack.home import DEFAULT_HOME, LabHome
from app.lab.stack.overview import overview
from app.lab.stack.registry import ProcessRegistry, mark_children
from app.lab.stack.service import ServicePlan, clear_metrics
from app.lab.stack.stores import Stores
from app.lab.stack.supervised import CHECK_SECONDS, supervised
from app.lab.stack.supervisor import StopRequested, Supervisor
from app.settings import AdminSettings, GivenStores, LedgerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOptions:
    """The options of the command, by the names of its parameters."""

    host: str
    port: int
    home: Path
    api_processes: int
    workers: int
    once: bool
    json_file: Path | None


@click.command(
    help=__doc__,
    epilog="Exit code: 0 after Ctrl-C, or if --once finds that all claims of its report hold; 1 otherwise. An "
    "interrupted --once exits with 130.",
)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="address on which the API listens")
@number("--port", 1, 65535, default=8000, help="port of the API")
@click.option("--home", type=HOME, default=DEFAULT_HOME, help="directory for data and logs")
@API_PROCESSES
@WORKERS
@click.option("--once", is_flag=True, help="sell by naive and by atomic, print the report, and exit")
@JSON_FILE
@click.option("--psql", is_flag=True, help="open psql on the ledger of the lab that runs in --home")
@click.option("--valkey-cli", is_flag=True, help="open valkey-cli or redis-cli on the stock server of that lab")
def command(*, psql: bool, valkey_cli: bool, **options: Any) -> int:
    if psql or valkey_cli:
        client = "--psql" if psql else "--valkey-cli"
        starting = [name for name in options if name != "home"]
        refuse_without_effect(f"with {client}", *starting, *(["valkey_cli"] if psql else []))
        home = LabHome(options["home"])
        (clients.psql(home) if psql else clients.valkey_cli(home)).replace_this_process()
    if not options["once"]:
        refuse_without_effect("without --once", "json_file")
    return run(LabOptions(**options))


def run(options: LabOptions) -> int:
    """Run the lab, and return the exit code.

    It is 0 after a requested stop or if all claims hold, 1 after a failure, and 130 if --once was interrupted.
    """
    home = LabHome(options.home)
    home.lock()
    try:
        home.write_notes(home.read_notes() | {"running": False})  # after kill -9 they still name the lab before
        with api_port.hold(options.host, options.port):
            return _run_lab(options, home)
    finally:
        home.unlock()


def _run_lab(options: LabOptions, home: LabHome) -> int:
    registry = ProcessRegistry(home.registry)
    if killed := registry.end_left_behind():
        say(f"killed {killed} processes that an earlier lab left behind")
    clear_metrics(home.metrics)
    mark_children(home.directory)
    supervisor = Supervisor(registry, say)
    faults = Faults(LabControl(home.control), supervisor, say)
    with supervisor.signals_request_stop():
        try:
            plan = _start(options, home, supervisor)
            if options.once:
                return _run_comparison(plan.api_url, supervisor, options.json_file)
            say(overview(supervisor.processes, plan.api_url, home))
            while not supervisor.stop_requested:
                faults.update()
                supervisor.check()
                time.sleep(CHECK_SECONDS)
        except StopRequested:
            return INTERRUPTED if options.once else 0
        finally:
            faults.resume_drain()
            supervisor.stop()
            home.write_notes(home.read_notes() | {"running": False})
    return 0


def _start(options: LabOptions, home: LabHome, supervisor: Supervisor) -> ServicePlan:
    schema, _ = LedgerSettings().schema_name, AdminSettings()  # a wrong value is an error before anything starts
    stores = Stores(home, GivenStores(), say)
    control = {CONTROL_VARIABLE: str(home.control)} if is_loopback(options.host) else {}
    plan = ServicePlan(home, options.host, options.port, stores.urls | control)
    supervisor.start(stores.processes)
    supervisor.run_to_end("migrate", plan.migration())
    _check_connections(stores.urls["DATABASE_URL"], options)
    supervisor.start(plan.processes(api_processes=options.api_processes, workers=options.workers))
    urls = {"api_url": plan.api_url} | {name.lower(): url for name, url in stores.urls.items()}
    processes = [
        {"name": process.name, "pid": process.server.pid, "address": process.address, "log": str(process.server.log)}
        for process in supervisor.processes
    ]
    home.write_notes(
        {"running": True, "pid": os.getpid(), "started_at": datetime.now(UTC).isoformat(timespec="seconds")}
        | urls
        | {"ledger_schema": schema, "ports": stores.ports, "processes": processes}
    )
    return plan


def _check_connections(database_url: str, options: LabOptions) -> None:
    from app.lab.stack.connections import refuse_too_many  # noqa: PLC0415 - imports SQLAlchemy only now, so that the stores start at once

    refuse_too_many(database_url, api_processes=options.api_processes, workers=options.workers)


def _run_comparison(api_url: str, supervisor: Supervisor, json_file: Path | None) -> int:
    from app.lab.comparison.sides import run_all  # noqa: PLC0415 - only --once needs the load generator

    work = run_all(api_url, progress=say, admin_token=AdminSettings().token)
    report = asyncio.run(supervised(work, supervisor))
    say(report.text())
    if json_file is not None:
        write_json(json_file, report.as_json())
    return 0 if report.holds else 1

"""`atomictickets lab`: everything on this machine, until Ctrl-C; with --once, both scenarios and their report."""

import argparse
import asyncio
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.api.lab_control import VARIABLE, LabControl, is_loopback
from app.lab.cli.main import INTERRUPTED
from app.lab.cli.options import between, processes, say
from app.lab.stack import api_port
from app.lab.stack.faults import Faults
from app.lab.stack.home import DEFAULT_HOME, LabHome
from app.lab.stack.overview import overview
from app.lab.stack.registry import ProcessRegistry, mark_children
from app.lab.stack.service import ServicePlan, clear_metrics
from app.lab.stack.stores import Stores
from app.lab.stack.supervised import WATCH_SECONDS, supervised
from app.lab.stack.supervisor import StopRequested, Supervisor
from app.settings import ApiSettings, GivenStores

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse gives it no public name


def add_parser(subparsers: "Subparsers") -> None:
    parser = subparsers.add_parser("lab", help="start everything here, until Ctrl-C", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where the API listens (default: %(default)s)")
    parser.add_argument("--port", type=between(1, 65535), default=8000, help="of the API (default: %(default)s)")
    parser.add_argument("--home", type=Path, default=DEFAULT_HOME, help="data and logs (default: %(default)s)")
    parser.add_argument("--api-processes", type=processes, default=2, help="default: %(default)s")
    parser.add_argument("--workers", type=processes, default=1, help="default: %(default)s")
    parser.add_argument("--once", action="store_true", help="run the scenarios; exit 0 only if all claims hold")
    parser.add_argument("--json", type=Path, metavar="FILE", help="with --once, also write the report there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code: 0 stopped when asked, or all claims hold; 1 something failed; 130 --once was interrupted."""
    home = LabHome(args.home)
    home.lock()
    try:
        with api_port.hold(args.host, args.port):
            return _run_lab(args, home)
    finally:
        home.unlock()


def _run_lab(args: argparse.Namespace, home: LabHome) -> int:
    registry = ProcessRegistry(home.registry)
    if killed := registry.end_left_behind():
        say(f"ended {killed} processes that an earlier lab left behind")
    clear_metrics(home.metrics)
    mark_children(home.directory)
    supervisor = Supervisor(registry, say)
    faults = Faults(LabControl(home.control), supervisor, say)
    with supervisor.signals_request_stop():
        try:
            plan = _start(args, home, supervisor)
            if args.once:
                return _run_scenarios(plan.api_url, supervisor, args.json)
            say(overview(supervisor.parts, plan.api_url, home.directory))
            while not supervisor.stop_requested:
                faults.look()
                supervisor.watch()
                time.sleep(WATCH_SECONDS)
        except StopRequested:
            return INTERRUPTED if args.once else 0
        finally:
            faults.resume_drain()
            supervisor.stop()
            home.write_notes(home.read_notes() | {"running": False})
    return 0


def _start(args: argparse.Namespace, home: LabHome, supervisor: Supervisor) -> ServicePlan:
    stores = Stores(home, GivenStores(), say)
    control = {VARIABLE: str(home.control)} if is_loopback(args.host) else {}
    plan = ServicePlan(home, args.host, args.port, stores.urls | control)
    supervisor.start(stores.parts)
    supervisor.run_to_end("migrate", plan.migration())
    _check_connections(stores.urls["DATABASE_URL"], args)
    supervisor.start(plan.parts(api_processes=args.api_processes, workers=args.workers))
    urls = {"api_url": plan.api_url} | {name.lower(): url for name, url in stores.urls.items()}
    processes = [
        {"name": part.name, "pid": part.server.pid, "address": part.address, "log": str(part.server.log)}
        for part in supervisor.parts
    ]
    home.write_notes(
        {"running": True, "pid": os.getpid(), "started_at": datetime.now(UTC).isoformat(timespec="seconds")}
        | urls
        | {"ports": stores.ports, "processes": processes}
    )
    return plan


def _check_connections(database_url: str, args: argparse.Namespace) -> None:
    from app.lab.stack.connections import refuse_too_many  # noqa: PLC0415 - SQLAlchemy, while the stores are starting anyway

    refuse_too_many(database_url, api_processes=args.api_processes, workers=args.workers)


def _run_scenarios(api_url: str, supervisor: Supervisor, json_file: Path | None) -> int:
    from app.lab.comparison.scenarios import run_all  # noqa: PLC0415 - only --once needs the load generator

    work = run_all(api_url, progress=say, admin_token=ApiSettings().token)
    report = asyncio.run(supervised(work, supervisor))
    say(report.text())
    if json_file is not None:
        json_file.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    return 0 if report.holds else 1

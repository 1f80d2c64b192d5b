"""The text that `atomictickets lab` prints when it is ready: the dashboard, commands to try, and its processes."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from app.lab.stack.clients import ledger_url, valkey_program
from app.lab.stack.home import LabHome
from app.lab.stack.stores import without_password
from app.lab.stack.supervisor import ManagedProcess
from app.lab.text_table import columns
from app.settings import AdminSettings


def overview(processes: Sequence[ManagedProcess], api_url: str, home: LabHome) -> str:
    """Return the addresses, the commands to try and a table of the processes, as text."""
    rows = [
        ("process", "pid", "address", "log"),
        *((process.name, str(process.server.pid), process.address, str(process.server.log)) for process in processes),
    ]
    table = columns(rows, left=len(rows[0]))
    end = f"Data and logs are in {home.directory}. Ctrl-C stops everything."
    return "\n".join(["", *suggestions(api_url, home), "", *table, "", end, ""])


def suggestions(api_url: str, home: LabHome) -> list[str]:
    """Return the addresses, and commands that run as they are printed, from any directory."""
    program, notes = own_command(), home.read_notes()
    lab = f"{program} lab --home {shlex.quote(str(home.directory))}"
    token = ' -H "Authorization: Bearer $API_ADMIN_TOKEN"' if AdminSettings().token else ""
    return [
        f"Dashboard               {api_url}",
        f"API documentation       {api_url}/docs",
        "",
        "In another terminal, put ten tickets on sale, and send a hundred buyers at once. This oversells:",
        *created("drop-naive", "naive", api_url, token),
        f"  {program} blast drop-naive --requests 100 --concurrency 100 --url {api_url}",
        "This does not:",
        *created("drop-atomic", "atomic", api_url, token),
        f"  {program} blast drop-atomic --requests 100 --concurrency 100 --url {api_url}",
        "Buy one ticket:",
        *created("encore", "atomic", api_url, token),
        f"  curl -s -w '\\n' {api_url}/buy-ticket -H 'Content-Type: application/json' \\",
        """    -H 'X-Idempotency-Key: my-first' -d '{"sale": "encore", "customer": "ada", "quantity": 1}'""",
        f"  curl -s -w '\\n' {api_url}/sales/encore",
        "",
        f"Look inside the ledger ({ledger_url(notes)}) and the stock server ({without_password(notes['redis_url'])}):",
        f"  {lab} --psql",
        *([f"  {lab} --valkey-cli"] if valkey_program() else []),
    ]


def created(name: str, strategy: str, api_url: str, token: str) -> list[str]:
    """Return the command that creates a sale of ten tickets."""
    return [
        f"  curl -s -w '\\n' {api_url}/sales -H 'Content-Type: application/json'{token} \\",
        f"""    -d '{{"name": "{name}", "strategy": "{strategy}", "stock": 10}}'""",
    ]


def own_command() -> str:
    """Return the path of this program, with which it can be called from any directory."""
    return shlex.quote(str(Path(sys.argv[0]).absolute()))

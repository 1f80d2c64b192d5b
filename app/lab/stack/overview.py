"""The text that `atomictickets lab` prints when it is ready: the dashboard, commands to try, and its processes."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from app.lab.stack.clients import ledger_url
from app.lab.stack.home import DEFAULT_HOME, LabHome
from app.lab.stack.stores import without_password
from app.lab.stack.supervisor import ManagedProcess
from app.lab.text_table import columns


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
    """Return the addresses, and commands that run as they are printed, from the directory in which the lab started."""
    program = own_command()
    is_default = home.directory == DEFAULT_HOME.absolute()
    lab = f"{program} lab" if is_default else f"{program} lab --home {shlex.quote(str(home.directory))}"
    notes = home.read_notes()
    return [
        f"Dashboard               {api_url}",
        f"API documentation       {api_url}/docs",
        "",
        "In another terminal, put ten tickets on sale:",
        f"  curl -s {api_url}/sales -H 'Content-Type: application/json' \\",
        """    -d '{"name": "concert", "strategy": "atomic", "stock": 10}'""",
        "Buy one ticket:",
        f"  curl -s {api_url}/buy-ticket -H 'Content-Type: application/json' -H 'X-Idempotency-Key: my-first' \\",
        """    -d '{"sale": "concert", "customer": "ada", "quantity": 1}'""",
        "Send a hundred buyers at once, and read what the ledger has:",
        f"  {program} blast concert --requests 100 --concurrency 100 --url {api_url}",
        f"  curl -s {api_url}/sales/concert",
        'To see tickets oversold, create a sale with "strategy": "naive" and send it the same buyers.',
        "",
        "Look inside the ledger and the stock server:",
        f"  {lab} --psql          {without_password(ledger_url(notes))}",
        f"  {lab} --valkey-cli    {without_password(str(notes['redis_url']))}",
    ]


def own_command() -> str:
    """Return how the user can call this program: by its name, or by its path if the name does not lead to it."""
    program = Path(sys.argv[0])
    found = shutil.which(program.name)
    return program.name if found and Path(found).resolve() == program.resolve() else shlex.quote(str(program))

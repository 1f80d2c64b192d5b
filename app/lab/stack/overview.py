"""The text that `atomictickets lab` prints when it is ready: its processes, and commands to try."""

from collections.abc import Sequence
from pathlib import Path

from app.lab.stack.supervisor import ManagedProcess
from app.lab.text_table import columns


def overview(processes: Sequence[ManagedProcess], api_url: str, home: Path) -> str:
    """Return a table of the processes and the commands to try, as text."""
    rows = [
        ("process", "pid", "address", "log"),
        *((process.name, str(process.server.pid), process.address, str(process.server.log)) for process in processes),
    ]
    table = columns(rows, left=len(rows[0]))
    return "\n".join(
        ["", *table, "", *suggestions(api_url), "", f"Data and logs are in {home}. Ctrl-C stops everything.", ""]
    )


def suggestions(api_url: str) -> list[str]:
    return [
        f"Dashboard               {api_url}",
        f"API documentation       {api_url}/docs",
        "",
        "Put ten tickets on sale:",
        f"  curl -s {api_url}/sales -H 'Content-Type: application/json' \\",
        """    -d '{"name": "concert", "strategy": "atomic", "stock": 10}'""",
        "Buy one ticket:",
        f"  curl -s {api_url}/buy-ticket -H 'Content-Type: application/json' -H 'X-Idempotency-Key: my-first' \\",
        """    -d '{"sale": "concert", "customer": "ada", "quantity": 1}'""",
        "Send a hundred buyers at once, and read what the ledger has:",
        f"  atomictickets blast concert --requests 100 --concurrency 100 --url {api_url}",
        f"  curl -s {api_url}/sales/concert",
        'To see tickets oversold, create a sale with "strategy": "naive" and send it the same buyers.',
    ]

"""What a person sees when the lab is up: what runs where, and what to try."""

from collections.abc import Sequence
from pathlib import Path

from app.lab.stack.supervisor import ManagedProcess


def overview(parts: Sequence[ManagedProcess], api_url: str, home: Path) -> str:
    rows = [
        ("process", "pid", "address", "log"),
        *((part.name, str(part.server.pid), part.address, str(part.server.log)) for part in parts),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
    return "\n".join(
        ["", *table, "", *what_to_try(api_url), "", f"Data and logs stay in {home}. Ctrl-C stops all.", ""]
    )


def what_to_try(api_url: str) -> list[str]:
    return [
        f"API and its documentation   {api_url}/docs",
        "",
        "Put ten tickets on sale:",
        f"  curl -s {api_url}/sales -H 'Content-Type: application/json' \\",
        """    -d '{"name": "concert", "strategy": "atomic", "stock": 10}'""",
        "Buy one:",
        f"  curl -s {api_url}/buy-ticket -H 'Content-Type: application/json' -H 'X-Idempotency-Key: my-first' \\",
        """    -d '{"sale": "concert", "customer": "ada", "quantity": 1}'""",
        "A hundred buyers at once, and what the ledger says:",
        f"  atomictickets blast concert --requests 100 --concurrency 100 --url {api_url}",
        f"  curl -s {api_url}/sales/concert",
        'The same with a strategy that oversells: create a sale with "strategy": "naive".',
    ]

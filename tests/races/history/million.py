"""A measurement of the check on a million events, run as a user would. It prints the seconds and the peak memory.

Run it with `python -m tests.races.history.million`. It checks two histories. In the first, a crowd of ten times the
stock buys with a limit, so that every rule of the check needs memory. In the second, every purchase is accepted, which
needs the most memory.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

EVENTS = 1_000_000
PAGE = 1_000


def write(path: Path, *, accepted: int) -> None:
    """Write EVENTS / 2 purchases, of which `accepted` succeed. 100 buyers take turns, each time as a new customer."""
    with path.open("w") as file:

        def line(process: str, type_: str, function: str, value: dict[str, object], at: float) -> None:
            event = {"process": process, "type": type_, "function": function, "value": {"sale": "drop"} | value}
            file.write(json.dumps(event | {"time": at}) + "\n")

        line("lab", "ok", "open", {"round": 1, "stock": accepted, "customer_limit": 1}, 0.0)
        for number in range(EVENTS // 2):
            who, at = f"buyer-{number % 100}", 1 + number * 1e-3
            line(who, "invoke", "buy", {"customer": f"load-0123456789ab-{number:08d}", "key": key(number)}, at)
            if number < accepted:
                line(who, "ok", "buy", {"reservation_id": reservation(number), "round": 1}, at + 5e-4)
            else:
                line(who, "fail", "buy", {"outcome": "sold-out"}, at + 5e-4)
        for start in range(0, accepted, PAGE):
            rows = [booking(number) for number in range(start, min(start + PAGE, accepted))]
            line("lab", "ok", "ledger-read", {"bookings": rows, "complete": start + PAGE >= accepted}, 1e6)


def key(number: int) -> str:
    return f"load-0123456789ab-{number:08d}"


def reservation(number: int) -> str:
    return f"drop.1.{1_700_000_000_000 + number}-0.{number:016x}"


def booking(number: int) -> dict[str, object]:
    return {
        "reservation_id": reservation(number),
        "sale": "drop",
        "round": 1,
        "customer": key(number),
        "key": key(number),
        "quantity": 1,
        "status": "booked",
        "ticket": number + 1,
    }


def measure(path: Path) -> None:
    started = time.perf_counter()
    process = psutil.Popen([sys.executable, "-m", "app.lab.cli.main", "check", str(path)])
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.Error:  # the process has just ended
            break
        time.sleep(0.02)
    code = process.wait()
    print(f"exit {code}, {time.perf_counter() - started:.1f} s, {peak / 2**20:.0f} MiB at most", flush=True)
    if code != 0:
        raise subprocess.CalledProcessError(code, "check")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        for accepted in (EVENTS // 20, EVENTS // 2):
            path = Path(directory) / "history.jsonl"
            write(path, accepted=accepted)
            print(f"{EVENTS // 2:,} purchases, {accepted:,} accepted:", flush=True)
            measure(path)


if __name__ == "__main__":
    main()

"""A lab as a user starts it: a process that starts its own servers."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil

from app.lab.stack.servers.ports import free_port
from tests.support.project import PROJECT
from tests.support.until import block_until


class RunningLab:
    """A lab in a process of its own. `notes` is the content of its lab.json, and `printed` is its output so far."""

    def __init__(
        self,
        command: list[str],
        home: Path,
        output: Path,
        directory: Path = PROJECT,
        port: int | None = None,
        /,
        **environment: str,
    ) -> None:
        self.home = home
        self.output = output
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with output.open("w") as stdout:
            self.process = subprocess.Popen(
                [*command, "--home", str(home), "--port", str(self.port)],
                cwd=directory,
                env={name: value for name, value in os.environ.items() if not name.endswith("_URL")} | environment,
                stdout=stdout,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self) -> None:
        block_until(lambda: "Ctrl-C stops everything" in self.printed or self.process.poll() is not None, seconds=90)
        assert self.process.poll() is None, self.printed

    @property
    def printed(self) -> str:
        return self.output.read_text()

    @property
    def notes(self) -> dict[str, Any]:
        notes: dict[str, Any] = json.loads((self.home / "lab.json").read_text())
        return notes

    @property
    def pids(self) -> list[int]:
        """Return the pids of all processes below the lab, grandchildren included."""
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    def end(self, number: signal.Signals) -> int:
        """Send the signal, wait for the lab to end and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

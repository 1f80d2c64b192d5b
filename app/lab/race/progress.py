"""The progress of a race: how many of its runs have ended, and the time that they and the rest take."""

import time
from collections.abc import Callable


class Progress:
    """The progress of `total` runs, reported with `say`."""

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self._total = total
        self._say = say
        self._ended = 0
        self._began = time.monotonic()

    def ended(self, text: str) -> None:
        """Report that another run has ended, and how long the rest will take at this pace."""
        self._ended += 1
        seconds = time.monotonic() - self._began
        rest = self._total - self._ended
        left = f", about {seconds / self._ended * rest:.0f} s left" if rest else ""
        self._say(f"  {self._ended} of {self._total} in {seconds:.0f} s{left}: {text}")

    def skip(self, runs: int) -> None:
        """Take off runs that will not be made."""
        self._total -= runs

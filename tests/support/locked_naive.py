"""The control of the naive strategy."""

from typing import ClassVar

from app.strategies.naive import NaiveStrategy


class LockedNaive(NaiveStrategy):
    """Runs the same code, but holds the counter from the read until the write."""

    locking: ClassVar[str] = "FOR NO KEY UPDATE OF i"

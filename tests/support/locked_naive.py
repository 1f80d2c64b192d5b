"""The control of the naive strategy: its code with a lock."""

from typing import ClassVar

from app.strategies.naive import NaiveStrategy


class LockedNaive(NaiveStrategy):
    """The naive strategy's code, but the row of the counter stays locked from the read until the write."""

    locking: ClassVar[str] = "FOR NO KEY UPDATE OF i"

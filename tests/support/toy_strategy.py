"""A strategy as a contributor would add one: a class, and its place in a list."""

from typing import ClassVar

from app.strategies.in_ledger.read_then_write import ReadThenWrite


class ToyStrategy(ReadThenWrite):
    """A read and a write under a stronger row lock than is needed."""

    name: ClassVar[str] = "toy"
    locking: ClassVar[str] = "FOR UPDATE OF i"

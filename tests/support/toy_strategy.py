"""A strategy as somebody might add one: a class, and its place in a list."""

from typing import ClassVar

from app.strategies.in_ledger.read_then_write import ReadThenWrite


class ToyStrategy(ReadThenWrite):
    """Locks the row harder than it must."""

    name: ClassVar[str] = "toy"
    locking: ClassVar[str] = "FOR UPDATE OF i"

"""The counter of the strategies that sell in PostgreSQL: `inventory.remaining`."""

from sqlalchemy import TextClause, text

READ_REMAINING = text("SELECT remaining FROM inventory WHERE sale = :sale AND round = :round")


def counter_update(change: str, condition: str = "true") -> TextClause:
    """Return the UPDATE of one round's counter. `change` and `condition` are SQL.

    Its parameters are sale, round, quantity, and those of `change` and `condition`. It returns the order's first
    ticket, the remaining tickets, and the row's new version (xmin); it returns no row if the condition does not hold.

    The UPDATE raises `booked` too, so that the check constraint `never_oversold` protects every strategy that writes
    here and promises exactness. The constraint does not protect the strategies that sell without this row:
    `sharded-counter` and `skip-locked`, which have rows of their own for that purpose, and `redis-decr` and
    `redis-watch`, which have no such protection.
    """
    return text(f"""
        UPDATE inventory SET {change}, booked = booked + :quantity
        WHERE sale = :sale AND round = :round AND {condition}
        RETURNING stock - remaining - :quantity + 1 AS ticket, remaining, xmin::text AS row_version
    """)  # noqa: S608  constants only

"""The counter of the strategies that sell in PostgreSQL, `inventory.remaining`: reading it is easy, writing is not."""

from sqlalchemy import TextClause, text

LEFT = text("SELECT remaining FROM inventory WHERE sale = :sale AND round = :round")


def counter_update(change: str, condition: str = "true") -> TextClause:
    """The UPDATE of one round's counter; `change`, `condition`: SQL. Parameters: sale, round, quantity, and theirs.

    Returns the order's first ticket, what is left, and the row's new version; no row where the condition didn't hold.
    `booked` rises along, so that the check constraint `never_oversold` stands behind whoever writes here and promises
    exactness. It doesn't behind those that sell beside this row: `sharded-counter` and `skip-locked`, which have rows
    of their own for it, and `redis-decr` and `redis-watch`, which have nothing.
    """
    return text(f"""
        UPDATE inventory SET {change}, booked = booked + :quantity
        WHERE sale = :sale AND round = :round AND {condition}
        RETURNING stock - remaining - :quantity + 1 AS ticket, remaining, xmin::text AS row_version
    """)  # noqa: S608  our own text, no input

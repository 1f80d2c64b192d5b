"""`optimistic`: writes only if the version is still the one that was read, and tries again otherwise.

How it works: read counter and version, think, UPDATE ... SET version = version + 1 WHERE version = :read. Who finds
another version rolls back, pauses at random, and starts over; a bounded number of times, then 503 `contention`.
Guarantees: never oversold, and the limit kept: whoever wrote knows that nobody wrote since he read. None left over, if
those who were told `contention` come again.
What breaks it: a retry storm. Of all who think at the same time one wins, so that a hot sale does its work many times
over; fairness is luck. Under low contention it is the cheapest: no lock is held while thinking.
Who uses it: JPA's @Version, Rails' lock_version, SQLAlchemy's version_id_col, HTTP's If-Match.
Source: https://docs.sqlalchemy.org/en/20/orm/versioning.html
"""

from typing import ClassVar

from sqlalchemy import TextClause

from app.ledger.counter import counter_update
from app.strategies.in_ledger.read_then_write import ReadThenWrite


class OptimisticStrategy(ReadThenWrite):
    name: ClassVar[str] = "optimistic"
    # Relative: the stock may grow meanwhile, which is no purchase and changes no version.
    write: ClassVar[TextClause] = counter_update(
        "remaining = remaining - :quantity, version = version + 1", "version = :version"
    )

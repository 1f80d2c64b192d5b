"""`optimistic`: The purchase writes only if the version is still the one that it read, and tries again otherwise.

How it works: Read counter and version, pause for `think_ms`, UPDATE ... SET version = version + 1 WHERE version =
:read. A purchase that finds another version rolls back, pauses for a random time and starts over. After a bounded
number of tries it fails with 503 `contention`.
Guarantees: It never oversells and keeps the limit, because a successful write proves that no other purchase wrote since
the read. It sells every ticket if the buyers who received `contention` try again.
What breaks it: A retry storm. Of all purchases that pause at the same time one wins, so a hot sale does its work many
times over, and it is luck which buyer wins. Under low contention it is the cheapest strategy, since no lock is held
during the pause.
Who uses it: JPA's @Version, Rails' lock_version, SQLAlchemy's version_id_col, HTTP's If-Match.
Source: https://docs.sqlalchemy.org/en/20/orm/versioning.html
"""

from typing import ClassVar

from sqlalchemy import TextClause

from app.ledger.counter import counter_update
from app.strategies.in_ledger.read_then_write import ReadThenWrite


class OptimisticStrategy(ReadThenWrite):
    name: ClassVar[str] = "optimistic"
    # Relative: the stock may grow in the meantime, which is no purchase and leaves the version unchanged.
    write: ClassVar[TextClause] = counter_update(
        "remaining = remaining - :quantity, version = version + 1", "version = :version"
    )

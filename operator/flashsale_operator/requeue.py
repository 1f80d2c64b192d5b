"""When a sale is reconciled next. Pure functions."""

import random
from collections.abc import Iterable
from datetime import datetime

JITTER = 0.1  # fraction of a pause, so that sales that were applied together don't stay in step
FIRST_RETRY_SECONDS = 0.5
JUST_AFTER_SECONDS = 0.05  # added to the time of an opening or a close: the stores' clocks may be slightly behind


def requeue_after(pause_seconds: float, moments: Iterable[datetime | None], now: datetime) -> float:
    """Return the seconds until the next reconciliation: the pause, or less if the sale opens or closes before."""
    ahead = [(moment - now).total_seconds() for moment in moments if moment is not None and moment > now]
    return min([pause_seconds, *(seconds + JUST_AFTER_SECONDS for seconds in ahead)])


def backoff(failures: int, interval_seconds: float) -> float:
    """Return the seconds until the next try after this many failures in a row (1 or more).

    The pause doubles with each failure, up to the interval.
    """
    return jitter(min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 20), interval_seconds))


def jitter(seconds: float) -> float:
    """Return the pause, randomly longer or shorter by up to a tenth."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  jitter, not secrecy

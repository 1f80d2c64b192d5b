"""Places at which the drain can be made to die, for fault trials: DRAIN_CRASH_AT names one, and SIGKILL strikes there.

A trial that kills from outside meets the few microseconds between two steps only by luck; this meets them always. It is
read once, when the process starts, and is nothing but a comparison where it is unset.
"""

import os
import signal
from typing import Literal

CrashPoint = Literal["after_read", "before_commit", "after_commit"]

CRASH_AT = os.environ.get("DRAIN_CRASH_AT", "")


def crash_point(name: CrashPoint) -> None:
    """Kills this process without a word if it was started with DRAIN_CRASH_AT=`name`."""
    if name == CRASH_AT:
        os.kill(os.getpid(), signal.SIGKILL)

"""The state of a process of this machine."""

import psutil


def alive(pid: int) -> bool:
    """Return whether the process runs. A zombie has ended. The process may disappear during the check."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

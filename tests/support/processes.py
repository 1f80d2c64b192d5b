"""Processes of this machine, as the kernel has them."""

import psutil


def alive(pid: int) -> bool:
    """Returns whether the process runs. A zombie has ended. The process may disappear during the check."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

"""Processes of this machine, as the kernel has them."""

import psutil


def alive(pid: int) -> bool:
    """Whether it runs. It may go while it is looked at; a zombie has ended, whoever adopted it."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

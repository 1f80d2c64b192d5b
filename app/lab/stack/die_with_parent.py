"""Run a command that ends together with the process that started it.

Usage: `die_with_parent.py PARENT SIGNAL UID GID COMMAND ...`, with the pid of the parent.

Linux sends a child a signal when its parent dies (PR_SET_PDEATHSIG), even if the parent was killed by SIGKILL. The
parent is the *thread* that started the child, so start such a process from a thread that lives as long as the process
should, which in practice is the main thread. Other systems (macOS) do not end the child. There, the lab's registry of
processes finds it at the next start.

This is a separate program and not a `preexec_fn`, because Python code between fork and exec may deadlock a process that
has threads. The signal is set after the change of account, which would clear it. It survives the exec.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, parent_death_signal: int) -> None:
    """Ask the kernel to send this process the signal when its parent dies (Linux). Exit if the parent has died."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, parent_death_signal)
        if os.getppid() != parent:
            sys.exit("The parent process died while this child process was being started.")


def main(arguments: list[str]) -> None:
    parent, parent_death_signal, uid, gid = map(int, arguments[:4])
    command = arguments[4:]
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    die_with_parent(parent, parent_death_signal)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted; the command comes from the lab itself


if __name__ == "__main__":
    main(sys.argv[1:])

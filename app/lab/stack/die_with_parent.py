"""Becomes a command that ends with the process that started it: `die_with_parent.py PARENT SIGNAL UID GID COMMAND ...`.

Linux tells a child of its parent's death (PR_SET_PDEATHSIG), a SIGKILL included. It means the parent *thread*: start a
tethered process from a thread that lives as long as the process should, in practice the main one. Elsewhere (macOS)
nothing ends the child; the lab's registry of processes finds it at the next start.

A program of its own instead of `preexec_fn`: Python code between fork and exec may deadlock a process that has threads.
The mark is set after the change of account, which clears it, and survives the exec.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, parent_death_signal: int) -> None:
    """Has the kernel send this process the signal when its parent dies (Linux). Exits if it has died already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, parent_death_signal)
        if os.getppid() != parent:
            sys.exit("the parent died before its child was tethered to it")


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

"""How a process that we start is bound to the one that started it.

Does not belong here: what such a process does.
"""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent() -> None:
    """`die_with`, for a process that was not told who started it."""
    die_with(None)


def die_with(parent: int | None) -> None:
    """Have the kernel kill this process when the thread that started it ends, however it ends.

    Linux only; elsewhere nothing happens. If ``parent`` is no longer the parent, it is gone already, and this
    process ends at once. (In a container the parent itself may be process 1.)
    """
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (AttributeError, OSError):
        return
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent if parent is not None else os.getppid() == 1:
        os._exit(1)

"""A process that ends when the one that started it does, however that one dies.

In: the environment variable that the starting process set. Out: the kernel's promise to send this process a SIGTERM,
on which a run commits and ends as on Ctrl-C, and a thread that kills it where it does not. Without them the points of a
sweep that was killed would go on unseen, and hold cores and locks.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time

VARIABLE = "SYNTHMILL_LIFELINE"
"""The environment variable that holds the process id of whoever started this process, and waits for it."""
PATIENCE_SECONDS = 60.0
"""So long a process that was asked to end may commit what it has before it is killed."""
_LOOK_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
"""The number of this wish in Linux's `prctl`: send me a signal when the thread that started me has ended."""


def lifeline() -> dict[str, str]:
    """Returns the variable for a process that the calling thread is about to start, and to wait for."""
    return {VARIABLE: str(os.getpid())}


def end_with_parent() -> None:
    """Asks the kernel for a SIGTERM at the end of the process that started this one, where that one wanted it.

    Where this process has not ended some time after that, it is killed.

    The variable is removed, since processes that this one starts are its own affair.

    Raises:
        KeyboardInterrupt: it has ended already.
        OSError: the kernel refused.
    """
    parent = os.environ.pop(VARIABLE, "")
    if not parent:
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if os.getppid() != int(parent):
        raise KeyboardInterrupt
    threading.Thread(target=_kill_after, args=(int(parent),), daemon=True, name="lifeline").start()


def _kill_after(parent: int) -> None:
    """Kills this process once its parent is gone and it had the time to end by itself."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    time.sleep(PATIENCE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)

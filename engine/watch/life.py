"""Whether the driver of a run lives: a slow run, one that was killed, and one that ended are told apart.

In: a status, and the same file read again. Out: a verdict. Where the processes of the driver are numbered as here, its
process is looked for. From another machine, or container, its beats are compared, read twice where they are old, so
that no two clocks need to agree.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from enum import Enum

import psutil

from engine.watch.status import Driver, Status, boot_id

_LATE_BEATS = 4
"""A driver that has written nothing for this many intervals is late ..."""
_LATE_SECONDS = 20.0
"""... and for this long at least: a machine may be busy."""
_CLOCK_SECONDS = 2.0
"""How far two readings of the moment when a process began may lie apart."""


class Life(Enum):
    """How a run is."""

    goes_on = "goes on"
    is_late = "is late"
    """Its process is there, and has not written for a while: it is stopped, or its machine is overloaded."""
    has_died = "has died"
    """Nobody said that it ended, and its driver is gone: it was killed, or its machine was."""
    has_ended = "has ended"


def life_of(
    status: Status, read_again: Callable[[], Status | None], pause: Callable[[float], None] = time.sleep
) -> Life:
    """Tells how a run is.

    Args:
        status: what its driver said last.
        read_again: reads the same once more; it is called where the driver is not among the processes that can be seen
            from here, and seems late.
        pause: waits for a number of seconds, for as long as a driver takes to write twice.
    """
    if status.is_over:
        return Life.has_ended
    is_late = time.time() - status.written > max(_LATE_SECONDS, _LATE_BEATS * status.every_seconds)
    if is_of_this_machine(status.driver):
        if not is_running(status.driver):
            return Life.has_died
        return Life.is_late if is_late else Life.goes_on
    if not is_late:
        return Life.goes_on
    pause(2 * status.every_seconds + 1)
    again = read_again()
    if again is not None and again.is_over:
        return Life.has_ended
    moved = again is not None and (again.began, again.beats) != (status.began, status.beats)
    return Life.goes_on if moved else Life.has_died


def is_of_this_machine(driver: Driver) -> bool:
    """Tells whether a driver runs, or ran, where this process does, and could see it.

    A name is not enough: machines may share one, and so does a container with the machine whose network it has.
    """
    return (driver.host, driver.boot) == (socket.gethostname(), boot_id())


def is_running(driver: Driver) -> bool:
    """Tells whether the process of a driver of this machine is there, and not another one with its number."""
    try:
        process = psutil.Process(driver.pid)
        began: float = process.create_time()
        is_gone: bool = process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    return not is_gone and abs(began - driver.process_started) <= _CLOCK_SECONDS

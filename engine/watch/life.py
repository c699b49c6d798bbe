"""Whether the driver of a run lives: a slow run, one that was killed, and one that ended are told apart.

In: a status, and the same file read again. Out: a verdict. Where the processes of the driver are numbered as here, its
process is looked for. From another machine, or container, its beats are compared, read again until they have moved, so
that no two clocks need to agree.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from enum import Enum

from engine.watch.status import Driver, Status, boot_id, process_start

_LATE_BEATS = 4
"""A driver that has written nothing for this many intervals is late ..."""
_LATE_SECONDS = 20.0
"""... and for this long at least: a machine may be busy."""
_LOOK_SECONDS = 1.0
"""How often the status of a driver elsewhere is read until it has moved."""


class Life(Enum):
    """How a run is."""

    goes_on = "goes on"
    is_late = "is late"
    """Its process is there, and has not written for a while: it is stopped, its machine is overloaded, or its disk is
    full."""
    has_died = "has died"
    """Nobody said that it ended, and its driver is gone: it was killed, or its machine was."""
    has_ended = "has ended"


def life_of(
    status: Status,
    read_again: Callable[[], Status | None],
    pause: Callable[[float], None] = time.sleep,
    before: Status | None = None,
) -> Life:
    """Tells how a run is.

    Args:
        status: what its driver said last.
        read_again: reads the same once more; it is called where the driver is not among the processes that can be seen
            from here.
        pause: waits for a number of seconds.
        before: what was read some time ago, where a run is followed: it need not be waited for then.
    """
    if status.is_over:
        return Life.has_ended
    if is_of_this_machine(status.driver):
        if not is_running(status.driver):
            return Life.has_died
        age = time.monotonic() - status.clock if status.clock else time.time() - status.written
        return Life.is_late if age > _late_seconds(status) else Life.goes_on
    if before is not None and _has_moved(before, status):
        return Life.goes_on
    return _life_by_beats(status, read_again, pause)


def _life_by_beats(status: Status, read_again: Callable[[], Status | None], pause: Callable[[float], None]) -> Life:
    """Reads a status until its count of beats has moved, for as long as a driver that lives may take for it.

    A clock says only how long that is: one that is as old as it looks has had most of that time already.
    """
    looks_late = time.time() - status.written > _late_seconds(status)
    patience, touched = 2 * status.every_seconds + 1 if looks_late else _late_seconds(status), status.touched
    for _ in range(math.ceil(patience / _LOOK_SECONDS)):
        pause(_LOOK_SECONDS)
        again = read_again()
        if again is None:
            continue
        if again.is_over:
            return Life.has_ended
        if _has_moved(status, again):
            return Life.goes_on
        touched = again.touched
    return Life.has_died if touched == status.touched else Life.is_late


def _late_seconds(status: Status) -> float:
    return max(_LATE_SECONDS, _LATE_BEATS * status.every_seconds)


def _has_moved(before: Status, after: Status) -> bool:
    return (after.driver, after.began, after.beats) != (before.driver, before.began, before.beats)


def is_of_this_machine(driver: Driver) -> bool:
    """Tells whether a driver runs, or ran, where this process does, and could see it.

    A name is not enough: machines may share one, and so does a container with the machine whose network it has.
    """
    return (driver.host, driver.boot) == (socket.gethostname(), boot_id())


def is_running(driver: Driver) -> bool:
    """Tells whether the process of a driver of this machine is there, and not another one with its number."""
    start = process_start(driver.pid)
    return start is not None and driver.process_start in (0.0, start)

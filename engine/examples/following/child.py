"""One process that works beside the driver: how much of the CPU it may want, and when nobody waits for it any more.

In: a command, and the line that tells it what to do. Out: a process of the lowest priority, whose standard input ends
with the driver. It comes forward when somebody waits for it, and is given up where it comes to a stand.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from engine.runtime.own_packages import search_path

if TYPE_CHECKING:
    from engine.runtime.place import Place

_LEAST_PRIORITY = 19
_PATIENCE_SECONDS = 5.0
"""So long a process may take to notice that its input has ended, or that it was killed."""
_LOOK_SECONDS = 60.0
"""A process that is waited for is looked at this often ..."""
_LEAST_CPU_SECONDS = 3.0
"""... and given up if it has used less of the CPU since the last look: whoever waits does the work sooner alone."""


class Child:
    """A process that works beside the driver, from now on.

    Args:
        name: names its log.
        command: starts it.
        line: goes to its standard input, which then stays open.
        place: where logs are kept, and the terminal.
    """

    def __init__(self, name: str, command: Sequence[str], line: str, place: Place) -> None:
        self._name, self._place, self._log = name, place, place.logs() / f"following-{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | search_path(),
                start_new_session=True,  # Ctrl-C is for the driver, which ends it
            )
        _set_priority(self._process.pid, _LEAST_PRIORITY)
        assert self._process.stdin, "a pipe"
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and `end` says so
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()

    def finish(self) -> None:
        """Waits until its job is done; ends it where it has come to a stand, with a line on the terminal.

        It has the priority of the driver meanwhile, where the system lets a user raise one. Nothing is done where it
        has been ended before: its number may be that of another process by now.
        """
        if self._has_ended():
            return
        _set_priority(self._process.pid, os.getpriority(os.PRIO_PROCESS, 0))
        used = self._cpu_seconds()
        while not self._ends_within(_LOOK_SECONDS):
            before, used = used, self._cpu_seconds()
            if used - before < _LEAST_CPU_SECONDS:
                self._place.console.warn(
                    f"what prepares the {self._name} beside generation has used {used - before:.1f} s of the CPU in "
                    f"{_LOOK_SECONDS:g} s: it is given up, and curation does it by itself (see {self._log})"
                )
                self._close()
                self._kill()
                return
        self.end()

    def end(self) -> None:
        """Ends it, if it has not ended; says on the terminal that it broke."""
        if not self._close():
            return
        if not self._ends_within(_PATIENCE_SECONDS):
            self._kill()
        elif self._process.returncode:
            self._place.console.warn(
                f"what follows generation has ended with an error; curation does it afterwards (see {self._log})"
            )

    def _has_ended(self) -> bool:
        """Tells whether nobody waits for it any more, and the system has been told so."""
        assert self._process.stdin, "a pipe"
        return self._process.stdin.closed and self._process.returncode is not None

    def _ends_within(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _close(self) -> bool:
        """Ends its input, by which it ends; returns whether that was not done before."""
        assert self._process.stdin, "a pipe"
        if self._process.stdin.closed:
            return False
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return True

    def _kill(self) -> None:
        self._process.kill()
        if not self._ends_within(_PATIENCE_SECONDS):  # such as one that waits for a disk which does not answer
            self._place.console.warn(f"process {self._process.pid} follows generation, and cannot be ended")

    def _cpu_seconds(self) -> float:
        """Returns what the process has used of the CPU, over all its threads; 0 where it has ended."""
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)


def _set_priority(process: int, priority: int) -> None:
    """Says how much a process that leads a session gets of a CPU that others want as well, each of its threads.

    Desktop kernels give each session a share of its own (sched_autogroup), within which alone a priority counts. Few
    systems let a user raise what was lowered: then it stays.
    """
    with contextlib.suppress(PermissionError, ProcessLookupError, FileNotFoundError):  # also one that has just ended
        for thread in Path(f"/proc/{process}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), priority)
    with contextlib.suppress(OSError):  # this kernel has no such shares
        Path(f"/proc/{process}/autogroup").write_text(str(priority), encoding="ascii")

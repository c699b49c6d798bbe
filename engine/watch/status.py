"""The status of a run: one small file that its driver replaces every few seconds, and that anybody may read.

    RUN/status.json              of a run that has begun
    RUNS_DIR/.NAME.status.json   beside a run folder that may not be touched yet: input can still be refused

In: what the driver knows at a moment. Out: the file, whole at any moment, and the same read back. Nothing else connects
the driver and whoever watches, so it can be read from another terminal, from another machine that sees the disk, and
after the driver has died.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import psutil

from engine.errors import UserError
from engine.runtime.activity import Moment
from engine.storage.run_folders import is_run, no_run
from engine.storage.typed import from_json_values, to_json_values
from engine.watch.times import Times

FORMAT = 1
"""Version of the file; raised when readers of the older one would misread it."""
STATUS_FILE = "status.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NUMBERS = Path("/proc/self/ns/pid")
"""A link to the namespace of process numbers: a container has one of its own."""
_PROCESSES = Path("/proc")
_STATE, _START = 0, 19
"""What the kernel says of a process behind its name: the first word is its state, the twentieth when it began."""
_ENDED = ("Z", "X")
"""States of a process that has ended, and that nobody has asked about yet."""


class RunState(Enum):
    """What became of a start of a run, as its driver says itself."""

    running = "running"
    """Its driver has not said that it ended: it works, or was killed."""
    finished = "finished"
    out_of_time = "out_of_time"
    """`samples.max_seconds` was used up."""
    interrupted = "interrupted"
    refused = "refused"
    """It ended with a line for the user, who has something to change."""
    failed = "failed"
    """It ended with an error of our own."""


@dataclass(frozen=True)
class Driver:
    """The process that drives a run."""

    host: str
    pid: int
    boot: str
    """Which start of the machine it lives in, and which container: elsewhere the number of a process says nothing."""
    process_start: float = 0.0
    """When the process began, by a clock that nobody sets (`process_start`): numbers of processes are used again. 0 in
    statuses of older versions."""


@dataclass(frozen=True)
class EngineLife:
    """One engine of a run, as its driver knows it."""

    index: int
    state: str
    """`loading`, `ready`, `working` or `dead`."""
    generated: int = 0
    failed: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Status:
    """What a driver says of its run."""

    driver: Driver
    state: RunState
    began: float
    """When this start of the run began, in seconds of the epoch."""
    written: float
    """When this was written, in seconds of the epoch."""
    beats: int
    """How often it was written in this start: it moves on while the driver lives, whatever its clock says."""
    every_seconds: float
    """How often it is written."""
    steps: Sequence[str]
    """The entries that the run makes, in order."""
    made: Sequence[str]
    """Those of them that are made."""
    moment: Moment
    engines: Sequence[EngineLife] = ()
    engines_wanted: int = 0
    """How many engines there should be."""
    still: Sequence[str] = ()
    """What stands still, and for how long, in words."""
    times: Times = field(default_factory=Times)
    """Where the time of this start went so far."""
    message: str = ""
    """Why it ended, where it did not finish."""
    has_begun: bool = True
    """Whether this start has begun to change the run folder: until then what lies there is of an earlier one."""
    clock: float = 0.0
    """When this was written, in seconds of the clock of its machine that nobody sets (`time.monotonic`); 0 in statuses
    of older versions."""
    format: int = FORMAT
    touched: int = field(default=0, compare=False)
    """When the file was last touched, in nanoseconds of the clock of its disk; it is read off the file, not in it."""

    @property
    def is_over(self) -> bool:
        """Tells whether the driver has said that it ended."""
        return self.state is not RunState.running


def this_driver() -> Driver:
    """Describes this process."""
    return Driver(socket.gethostname(), os.getpid(), boot_id(), process_start(os.getpid()) or 0.0)


def process_start(pid: int) -> float | None:
    """Returns when a process of this machine began, or None where there is none of this number, or it has ended.

    It is told in ticks of the kernel since the machine started: the seconds of the epoch that are worked out from these
    change when somebody sets the clock. Only where no kernel tells it in /proc it is seconds of the epoch.
    """
    if not (_PROCESSES / "self" / "stat").exists():
        try:
            process = psutil.Process(pid)
            began: float = process.create_time()
            return None if process.status() == psutil.STATUS_ZOMBIE else began
        except psutil.NoSuchProcess:
            return None
    try:
        text = (_PROCESSES / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    words = text.rpartition(")")[2].split()  # a name, which stands in brackets before them, may hold blanks
    return None if words[_STATE] in _ENDED else float(words[_START])


def boot_id() -> str:
    """Returns which start of this machine this is, and by which numbers processes go; empty where no kernel says."""
    start = _BOOT.read_text(encoding="ascii").strip() if _BOOT.exists() else ""
    return f"{start} {_NUMBERS.readlink()}" if _NUMBERS.is_symlink() else start


def status_file(run_dir: Path, *, has_begun: bool) -> Path:
    """Returns where the driver of a run writes, before or after it has begun to change the run folder."""
    return run_dir / STATUS_FILE if has_begun else run_dir.parent / f".{run_dir.name}.{STATUS_FILE}"


def write_status(file: Path, status: Status) -> None:
    """Replaces the file in one step; a run has one driver, so that the name beside it is nobody else's.

    The disk is not waited for: what a power cut takes is a few seconds old, and its driver dead. What is no text, as
    the bytes of a file's name may be, is written as `?`.
    """
    temporary = file.with_name(f"{file.name}.tmp")
    text = json.dumps(to_json_values(status), ensure_ascii=False, indent=1) + "\n"
    temporary.write_text(text, encoding="utf-8", errors="replace")
    temporary.replace(file)


def touch_status(file: Path) -> None:
    """Shows that the driver lives where its status cannot be written: on a full disk files can still be touched.

    Raises:
        OSError: not even that can be done.
    """
    os.utime(file)


def find_status(run: str) -> tuple[Path, Status | None]:
    """Finds what the last start of a run said of itself.

    Args:
        run: the run folder, as a user typed it; it need not be there yet while input is read.

    Returns:
        The run folder without links, and the status; None where the run was made before there was one.

    Raises:
        UserError: there is no such run, or another version wrote its status.
    """
    folder = Path(run).expanduser().resolve()
    # Of two, the one beside the folder is of the last start: it goes once that has begun to change the folder. When
    # each of them began does not tell, since their drivers may have had two clocks.
    reading, inside = (_read(status_file(folder, has_begun=has_begun)) for has_begun in (False, True))
    if not reading and not inside and not is_run(folder):
        raise no_run(Path(run).expanduser())
    if reading and inside and (reading.driver, reading.began) == (inside.driver, inside.began):
        return folder, inside
    return folder, reading or inside


def _read(file: Path) -> Status | None:
    """Reads a status; None where there is none, and where a power cut has left an empty file."""
    try:
        with file.open(encoding="utf-8") as stream:
            touched, values = os.fstat(stream.fileno()).st_mtime_ns, json.load(stream)
        written_as = values["format"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    if written_as != FORMAT:
        what = f"was written by another version of synthmill (format {written_as}, this one reads {FORMAT})"
        raise UserError(what, where=str(file), remedy="look at the run with the version that drives it")
    return replace(from_json_values(Status, values), touched=touched)

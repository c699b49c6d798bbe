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
from dataclasses import dataclass, field
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
    process_started: float
    """When the process began, in seconds of the epoch: numbers of processes are used again."""


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
    format: int = FORMAT

    @property
    def is_over(self) -> bool:
        """Tells whether the driver has said that it ended."""
        return self.state is not RunState.running


def this_driver() -> Driver:
    """Describes this process."""
    return Driver(socket.gethostname(), os.getpid(), boot_id(), psutil.Process().create_time())


def boot_id() -> str:
    """Returns which start of this machine this is, and by which numbers processes go; empty where no kernel says."""
    start = _BOOT.read_text(encoding="ascii").strip() if _BOOT.exists() else ""
    return f"{start} {_NUMBERS.readlink()}" if _NUMBERS.is_symlink() else start


def status_file(run_dir: Path, *, has_begun: bool) -> Path:
    """Returns where the driver of a run writes, before or after it has begun to change the run folder."""
    return run_dir / STATUS_FILE if has_begun else run_dir.parent / f".{run_dir.name}.{STATUS_FILE}"


def write_status(file: Path, status: Status) -> None:
    """Replaces the file in one step; a run has one driver, so that the name beside it is nobody else's.

    The disk is not waited for: what a power cut takes is a few seconds old, and its driver dead.
    """
    temporary = file.with_name(f"{file.name}.tmp")
    temporary.write_text(json.dumps(to_json_values(status), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    temporary.replace(file)


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
    statuses = [status for has_begun in (True, False) if (status := _read(status_file(folder, has_begun=has_begun)))]
    if not statuses and not is_run(folder):
        raise no_run(Path(run).expanduser())
    return folder, max(statuses, key=lambda status: status.began, default=None)


def _read(file: Path) -> Status | None:
    """Reads a status; None where there is none, and where a power cut has left an empty file."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        written_as = values["format"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    if written_as != FORMAT:
        what = f"was written by another version of synthmill (format {written_as}, this one reads {FORMAT})"
        raise UserError(what, where=str(file), remedy="look at the run with the version that drives it")
    return from_json_values(Status, values)

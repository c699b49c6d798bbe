"""What running drivers use of a store, linked by a run or not yet.

    STORE/drivers/HOST-PID-1f3c.json   held by a driver while it lives: the fingerprints of its steps

In: the fingerprints of a run, all of which are known before anything is made. Out: those that must stay. A run folder
is not touched until documents are read and prompts planned, which may take hours of generation (round 0); until then no
link says that their folders are needed. The note is held with a `flock`, so that a killed driver's does not count.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.storage.files import locked, make_folder

_NOTES = "drivers"
_STARTING = ".drivers.lock"
"""Held by a driver while it writes its note, and by whoever must know that no driver starts meanwhile."""


@contextlib.contextmanager
def using(store: Path, fingerprints: Iterable[str]) -> Iterator[None]:
    """Keeps step outputs from being removed by `clean`, those that are not made yet as well, while the block lasts.

    Args:
        store: the folder of the store, which exists.
        fingerprints: of every step that the driver makes or reads.
    """
    make_folder(store / _NOTES, where=str(store))
    note = store / _NOTES / f"{_this_driver()}-{uuid.uuid4().hex[:8]}.json"
    with contextlib.ExitStack() as stack:
        with locked(store / _STARTING, wait=True):
            stack.enter_context(locked(note, wait=False))
            stack.callback(note.unlink, missing_ok=True)  # before the lock goes, or it could pass for a killed driver's
            note.write_text(json.dumps(sorted(fingerprints)), encoding="utf-8")
        yield


@contextlib.contextmanager
def while_no_driver_starts(store: Path) -> Iterator[set[str]]:
    """Gives the fingerprints that running drivers use; until the block ends, a driver that starts waits.

    Notes of drivers that were killed are removed.
    """
    with locked(store / _STARTING, wait=True):
        yield {name for note in sorted((store / _NOTES).glob("*.json")) for name in _used_by(note)}


def other_drivers(store: Path, fingerprint: str) -> list[str]:
    """Names the drivers, this one left out, that make or read a step's output, for a person who waits for one of them.

    Returns:
        Such as `another run (pid 4711 on node3)`; none where all others have ended.
    """
    with locked(store / _STARTING, wait=True):
        notes = [note for note in sorted((store / _NOTES).glob("*.json")) if _driver(note) != _this_driver()]
        users = [_driver(note).rpartition("-") for note in notes if fingerprint in _used_by(note)]
    return [f"another run (pid {pid} on {host})" for host, _, pid in users]


def _this_driver() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _driver(note: Path) -> str:
    return note.name.rpartition("-")[0]


def _used_by(note: Path) -> list[str]:
    """Reads the fingerprints in a note; none where its driver has ended."""
    try:
        with locked(note, wait=False):
            note.unlink(missing_ok=True)
    except BlockingIOError:
        with contextlib.suppress(FileNotFoundError):  # it ended in this moment
            fingerprints: list[str] = json.loads(note.read_text(encoding="utf-8"))
            return fingerprints
    return []

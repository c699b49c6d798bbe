"""Step outputs by fingerprint.

    STORE/samples/3f2a.../     what the samples step made, `record.json`, and `_DONE`, written last

In: a noun and a fingerprint. Out: a folder, whether it is done, and locks. Two runs whose step has the same
fingerprint share one folder; going back to an old config finds the old output again. Locks are `flock`s, so
the kernel gives them back however a process dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.storage.files import locked, write_json, write_text
from engine.storage.typed import from_json_values, to_json_values

NOUNS = ("documents", "prompts", "samples", "examples", "model", "report")
"""What the steps of the pipeline make, in its order."""
DONE = "_DONE"
"""The empty file that makes a folder count, written last."""


@dataclass(frozen=True)
class Store:
    """The folder of all step outputs, shared by the runs that were started with the same `runs_dir`."""

    root: Path

    def folder(self, noun: str, fingerprint: str) -> Path:
        """Returns where the output of a step with this fingerprint lives, made or not."""
        return self.root / noun / fingerprint

    def reserve(self, noun: str, fingerprint: str) -> Path:
        """Returns the folder of a step that continues what an earlier attempt left, and makes it if it is new."""
        folder = self.folder(noun, fingerprint)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def count_start(self, noun: str, fingerprint: str) -> int:
        """Counts the drivers that set out to write a folder, whether or not they come to it.

        Returns:
            The number of this one, from 1, which no other driver has been given.
        """
        folder = self.folder(noun, fingerprint)
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = folder.parent / f".{folder.name}.starts"  # a byte for each
        with locked(file, wait=True), file.open("ab") as stream:
            stream.write(b".")
            stream.flush()
            os.fsync(stream.fileno())
            return stream.tell()

    @contextlib.contextmanager
    def producing(self, folder: Path, *, keep: bool, on_wait: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """Gives the exclusive right to write a folder, for as long as the block lasts.

        Args:
            folder: the folder of a step, made if it is missing.
            keep: whether what an unfinished attempt left in the folder stays; else it is removed.
            on_wait: called once if another run is writing the folder, before waiting for it.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = folder.parent / f".{folder.name}.lock"
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(file, wait=False))
            except BlockingIOError:
                on_wait()
                stack.enter_context(locked(file, wait=True))
            if folder.exists() and not keep and not is_done(folder):
                shutil.rmtree(folder)
            folder.mkdir(exist_ok=True)
            yield folder


def is_done(folder: Path) -> bool:
    """Tells whether the step that writes `folder` finished."""
    return (folder / DONE).exists()


@dataclass(frozen=True)
class StepRecord:
    """What made a finished folder, and what the step says of it; the content of record.json."""

    noun: str
    """What the step makes, one of `NOUNS`."""
    fingerprint: str
    """What the result depends on, as 16 hex digits."""
    inputs: Mapping[str, str]
    """Fingerprints of the folders that were read, by the name under which the step received them."""
    config: Mapping[str, Any]
    """The part of the config that is in the fingerprint."""
    seconds: float
    """Time that the step took."""
    peak_memory_bytes: int
    """Largest memory of the driver and all its children together, from the start of the run to the end of the step."""
    record: Mapping[str, Any]
    """The step's own record as JSON values; the doors of engine/artifacts give it its type."""


def finish(folder: Path, record: StepRecord) -> None:
    """Writes the record, then the mark that makes the folder count."""
    write_json(folder / "record.json", to_json_values(record))
    write_text(folder / DONE, "")


def read_record(folder: Path) -> StepRecord:
    """Reads the record of a finished step."""
    return from_json_values(StepRecord, json.loads((folder / "record.json").read_text(encoding="utf-8")))

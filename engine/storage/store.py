"""Step outputs by fingerprint, and run folders that link to them.

    STORE/samples/3f2a.../     what the samples step made, `record.json`, and `_DONE`, written last
    RUN/samples -> STORE/samples/3f2a...

In: a noun and a fingerprint. Out: a folder, whether it is done, and locks. Two runs whose step has the same
fingerprint share one folder; going back to an old config finds the old output again. Locks are `flock`s, so
the kernel gives them back however a process dies.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.storage.files import locked, write_json, write_text
from engine.storage.typed import from_json_values, to_json_values

NOUNS = ("documents", "prompts", "samples", "examples", "model", "report")


DONE = "_DONE"


@dataclass(frozen=True)
class Store:
    """The folder of all step outputs, shared by the runs that were started with the same `runs_dir`."""

    root: Path

    def folder(self, noun: str, fingerprint: str) -> Path:
        """Where the output of a step with this fingerprint lives, made or not."""
        return self.root / noun / fingerprint

    def reserve(self, noun: str, fingerprint: str) -> Path:
        """The folder of a step that goes on where an earlier attempt ended, made if it is new."""
        folder = self.folder(noun, fingerprint)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def producing(self, folder: Path, *, keep: bool, on_wait: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """Exclusive right to write `folder`; what an earlier attempt left is removed unless `keep`.

        Args:
            folder: of a step.
            keep: what an earlier attempt left.
            on_wait: called once where another run writes the folder at this moment.
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
    """Whether the step that writes `folder` finished."""
    return (folder / DONE).exists()


@dataclass(frozen=True)
class StepRecord:
    """record.json: what made a finished folder, and what the step says of it."""

    noun: str
    fingerprint: str
    inputs: Mapping[str, str]
    """Fingerprints of the folders that were read, by the name that the step knows them by."""
    config: Mapping[str, Any]
    """The part of the config that is in the fingerprint."""
    seconds: float
    peak_memory_bytes: int
    """Of the driver and all its children, until the step ended."""
    record: Mapping[str, Any]
    """The step's own record as JSON values; the doors of engine/artifacts give it its type."""


def finish(folder: Path, record: StepRecord) -> None:
    """Writes the record, then the mark that makes the folder count."""
    write_json(folder / "record.json", to_json_values(record))
    write_text(folder / DONE, "")


def read_record(folder: Path) -> StepRecord:
    """The record of a finished step."""
    return from_json_values(StepRecord, json.loads((folder / "record.json").read_text(encoding="utf-8")))

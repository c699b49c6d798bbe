"""Step outputs by fingerprint.

    STORE/samples/3f2a.../             what the samples step made, `record.json`, and `_DONE`, written last
    STORE/samples/.3f2a....lock        held by the process that writes that folder
    STORE/model/.3f2a....work/         what the model step keeps until it has finished (`work_folder`)
    STORE/samples/.removed/3f2a.../    set aside by `clean`, which deletes it next

In: a noun and a fingerprint. Out: a folder, whether it is done, what it was made from, and locks. Two runs whose step
has the same fingerprint share one folder; going back to an old config finds the old output again. Locks are `flock`s,
so the kernel gives them back however a process dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.storage.files import fsync_folder, fsync_tree, is_locked, lock_file, locked, write_json, write_text
from engine.storage.typed import from_json_values, to_json_values

NOUNS = ("documents", "prompts", "samples", "examples", "model", "report", "system")
"""What the steps of the pipeline make, in its order."""
TAUGHT_NOUNS = (*NOUNS[:4], "teacher", *NOUNS[4:])
"""What the steps of the pipeline make where there is a teacher, in its order."""
BATCH_NOUNS = ("rows", "prompts", "samples", "output")
"""What the steps of batch inference make, in its order."""
CHUNK_SIZES_NOUNS = (*NOUNS[:4], "chunk_sizes")
"""What the steps of a comparison of chunk sizes make, in its order."""
LEARNING_CURVE_NOUNS = (*NOUNS[:4], "learning_curve")
"""What the steps of a learning curve make, in its order."""
GIVEN_NOUNS = ("examples", "model", "report")
"""What the steps of a training on given examples make, in its order."""
STAGES_NOUNS = ("stages",)
"""What a comparison of several models ends with; its examples and models are parts."""
EVERY_NOUN = tuple(
    dict.fromkeys((*TAUGHT_NOUNS, *BATCH_NOUNS, "scores", *CHUNK_SIZES_NOUNS, *LEARNING_CURVE_NOUNS, *STAGES_NOUNS))
)
DONE = "_DONE"
"""The empty file that makes a folder count, written last."""
RECORD = "record.json"
"""The file that says what made a finished folder."""
_WORK = ".work"
_REMOVED = ".removed"
"""Beside the folders of a noun, and on their disk: what lies in it is no output any more."""


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
        file = lock_file(folder)
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

    def outputs(self) -> list[Path]:
        """Returns the folder of every step, made or half made, in the order of their nouns and names."""
        return [
            folder
            for noun in EVERY_NOUN
            for folder in sorted((self.root / noun).glob("*"))
            if folder.is_dir() and not folder.name.startswith(".")
        ]

    def work_folders(self) -> dict[Path, Path]:
        """Returns the work folders that are there (`work_folder`), each with the folder whose step it served."""
        folders = [work for noun in EVERY_NOUN for work in sorted((self.root / noun).glob(f".*{_WORK}"))]
        return {work: _served_by(work) for work in folders if work.is_dir()}

    def left_working(self) -> list[Path]:
        """Returns work folders of steps that have finished, or whose folder is gone: nobody goes on from there."""
        served = self.work_folders().items()
        return [work for work, folder in served if is_done(folder) or not folder.exists()]

    def with_inputs(self, fingerprints: Iterable[str]) -> set[str]:
        """Adds to fingerprints those of everything that the folders of that name were made from, back to the documents.

        Raises:
            UserError: the record of one of these folders cannot be read.
        """
        folders: dict[str, list[Path]] = {}
        for folder in self.outputs():
            folders.setdefault(folder.name, []).append(folder)
        known: set[str] = set()
        waiting = set(fingerprints)
        while waiting:
            name = waiting.pop()
            known.add(name)
            for folder in folders.get(name, ()):
                waiting |= read_inputs(folder) - known
        return known

    def set_aside(self, folder: Path) -> Path | None:
        """Takes a folder out of the store in one step, so that a kill leaves no output half deleted.

        Args:
            folder: that of a step, or its work folder.

        Returns:
            Where it lies now, to be deleted; `left_aside` finds it again. None where the folder is gone: a driver
            removes its work folder when its step has finished, which may be after somebody has listed it.

        Raises:
            BlockingIOError: a process is writing the folder.
        """
        with holding(_served_by(folder)):
            if not folder.exists():
                return None
            aside = folder.parent / _REMOVED / folder.name
            aside.parent.mkdir(exist_ok=True)
            if aside.exists():
                shutil.rmtree(aside)
            folder.rename(aside)
            fsync_folder(folder.parent)
        return aside

    def left_aside(self) -> list[Path]:
        """Returns what was set aside and never deleted, because `clean` was killed."""
        return [folder for noun in EVERY_NOUN for folder in sorted((self.root / noun / _REMOVED).glob("*"))]


def work_folder(folder: Path) -> Path:
    """Returns where a step keeps what it needs until it has finished, beside its folder, which it never is a part of.

    A process that outlives its step, such as one on a node that was cut off, can write there as late as it likes.
    """
    return folder.parent / f".{folder.name}{_WORK}"


def _served_by(folder: Path) -> Path:
    """Returns the folder that a work folder serves; any other folder as it is."""
    is_work = folder.name.startswith(".") and folder.name.endswith(_WORK)
    return folder.with_name(folder.name.removesuffix(_WORK)[1:]) if is_work else folder


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Holds the right to write a step's folder for as long as the block lasts.

    Raises:
        BlockingIOError: a process is writing the folder.
    """
    with locked(lock_file(folder), wait=False):
        yield


def is_being_written(folder: Path) -> bool:
    """Tells whether a process holds the lock of a step's folder; nothing is made by asking."""
    return is_locked(lock_file(folder))


def is_done(folder: Path) -> bool:
    """Tells whether the step that writes `folder` finished."""
    return (folder / DONE).exists()


@dataclass(frozen=True)
class StepRecord:
    """What made a finished folder, and what the step says of it; the content of record.json."""

    noun: str
    """What the step makes, one of `EVERY_NOUN`."""
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
    """Writes the record, then the mark that makes the folder count, once everything it vouches for is on the disk."""
    write_json(folder / RECORD, to_json_values(record))
    fsync_tree(folder)
    write_text(folder / DONE, "")


def read_record(folder: Path) -> StepRecord:
    """Reads the record of a finished step."""
    return from_json_values(StepRecord, json.loads((folder / RECORD).read_text(encoding="utf-8")))


def read_inputs(folder: Path) -> set[str]:
    """Reads the fingerprints of the folders that a folder was made from; none where the step has not finished.

    Any version's record will do, as long as it has the inputs.

    Raises:
        UserError: there is a record, and it does not say.
    """
    file = folder / RECORD
    if not file.exists():
        return set()
    try:
        return set(json.loads(file.read_text(encoding="utf-8"))["inputs"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"does not say what its folder was made from ({type(error).__name__}: {error})",
            where=str(file),
            remedy="bring the file back, or remove its folder: the next run that needs it makes it anew",
        ) from error

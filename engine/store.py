"""Step outputs by fingerprint, and run folders that link to them.

    STORE/samples/3f2a.../     what the samples step made, `record.json`, and `_DONE`, written last
    RUN/samples -> STORE/samples/3f2a...

In: a noun and a fingerprint. Out: a folder, whether it is done, and locks. Two runs whose step has the same
fingerprint share one folder; going back to an old config finds the old output again. Locks are `flock`s, so
the kernel gives them back however a process dies.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.atomic import temporary_name, write_json, write_text
from engine.errors import UserError
from engine.identity import digest

FORMAT = 1
"""Version of what a run folder holds; raised when an older one can no longer be continued."""
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


def finish(folder: Path, record: dict[str, object]) -> None:
    """Writes the record, then the mark that makes the folder count."""
    write_json(folder / "record.json", record)
    write_text(folder / DONE, "")


def read_record(folder: Path) -> dict[str, object]:
    """The record of a finished step."""
    record: dict[str, object] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    return record


@contextlib.contextmanager
def locked(file: Path, *, wait: bool) -> Iterator[None]:
    """Holds an exclusive lock on `file`; without `wait`, a held one raises BlockingIOError."""
    with file.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


@contextlib.contextmanager
def hold_run(run_dir: Path) -> Iterator[None]:
    """Takes a run folder for this driver alone; the lock lies beside it, so that a refused run changes nothing.

    Raises:
        UserError: another driver works on it, another version wrote it, or it is no run folder.
    """
    _check_run_folder(run_dir)
    run_dir = run_dir.resolve()  # runs/latest and what it points to are one run
    make_folder(run_dir.parent, place=f"run_dir={run_dir}")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(run_dir.parent / f".{run_dir.name}.lock", wait=False))
        except BlockingIOError:
            raise UserError(
                "another synthmill is working on this run",
                place=f"run_dir={run_dir}",
                remedy="wait for it, stop it, or give this one its own run_dir",
            ) from None
        except OSError as error:
            raise UserError(
                f"cannot be written beside ({error.strerror})",
                place=f"run_dir={run_dir}",
                remedy="name a folder whose parent you may write in",
            ) from error
        yield


def make_folder(folder: Path, *, place: str) -> None:
    """Makes a folder that outputs go to, with its parents; one that is there is left as it is.

    Raises:
        UserError: a file is in the way, or nothing may be written there; `place` is the key that named the folder.
    """
    blocking = next((path for path in (folder, *folder.parents) if path.is_file()), None)
    what = f"{blocking} is a file" if blocking else ""
    try:
        if not blocking:
            folder.mkdir(parents=True, exist_ok=True)
            what = "" if os.access(folder, os.W_OK) else f"{folder} may not be written"
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(folder, str(error.strerror)) from error
        what = f"{folder} cannot be made ({error.strerror})"
    if what:
        raise UserError(what, place=place, remedy="name a folder that synthmill may write")


def begin_run(run_dir: Path, config_text: str) -> None:
    """Makes a folder a run's: from here on its entries change."""
    run_dir.mkdir(exist_ok=True)
    write_json(run_dir / "run.json", {"format": FORMAT})
    write_text(run_dir / "config.yaml", config_text)


def _check_run_folder(run_dir: Path) -> None:
    if run_dir.is_file():
        raise UserError("is a file", place=f"run_dir={run_dir}", remedy="name a folder that synthmill may write")
    if not run_dir.exists() or all(entry.suffix == ".tmp" for entry in run_dir.iterdir()):
        return
    try:
        found = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            "holds files that are not of a synthmill run",
            place=f"run_dir={run_dir}",
            remedy="name a new or empty folder",
        ) from None
    if found != FORMAT:
        raise UserError(
            f"was written by another version of synthmill (format {found}, this one writes {FORMAT})",
            place=f"run_dir={run_dir}",
            remedy="name a new run_dir, or continue with the version that wrote it",
        )


def link(run_dir: Path, noun: str, folder: Path) -> None:
    """Points the run's entry for `noun` at a store folder, replacing an older link in one step."""
    if (run_dir / noun).is_symlink() and (run_dir / noun).resolve() == folder.resolve():
        return
    temporary = temporary_name(run_dir / f".{noun}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.resolve())
    temporary.replace(run_dir / noun)


def remember_run(store: Path, run_dir: Path) -> None:
    """Notes in the store that a run links into it, wherever the run lies, so that `clean` spares what it links to."""
    (store / "runs").mkdir(parents=True, exist_ok=True)
    link(store / "runs", digest(str(run_dir)), run_dir)


def link_latest(runs_dir: Path, run_dir: Path) -> None:
    """`RUNS/latest` -> the run that finished last."""
    runs_dir.mkdir(parents=True, exist_ok=True)
    if run_dir.resolve() != (runs_dir / "latest").resolve():  # it may have that very name
        link(runs_dir, "latest", run_dir)


def require_space(folder: Path, at_least_bytes: int, setting: str = "") -> None:
    """Refuses to start on a disk that is nearly full; `setting` is the key that says what nearly is.

    Raises:
        UserError: less than `at_least_bytes` are free.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < at_least_bytes:
        by = f" by {setting}" if setting else ""
        raise disk_full(folder, f"{free / 1e9:.2f} GB free, {at_least_bytes / 1e9:.2f} GB wanted{by}")


def disk_full(folder: Path, detail: str) -> UserError:
    """The error for a disk with no room, whenever it is noticed."""
    return UserError(
        f"the disk is full ({detail})",
        place=str(folder),
        remedy="free some space or set runs_dir to another disk, then run the same command again: it continues",
    )


@contextlib.contextmanager
def naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Turns an OSError for want of room into `disk_full`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(folder, str(error.strerror)) from error
        raise


def is_disk_full(error: OSError) -> bool:
    """Whether an OSError says that there was no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)

"""Run folders: what makes a folder a run's, who may write in it, and the links from it into the store.

    RUN/run.json, RUN/config.yaml        that it is a run, of which format, and its config
    RUN/samples -> STORE/samples/3f2a... one link per finished step
    STORE/runs/9c41... -> RUN            one link back per run, so that cleaning spares what runs link to

Links are relative, so that a project folder can be moved or renamed with everything in it.

In: the path of a run and finished folders of the store. Out: links, replaced in one step, and folders by noun. The lock
of a run lies beside its folder, so that a refused run changes nothing in it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import UserError
from engine.storage.digests import digest
from engine.storage.files import is_locked, locked, make_folder, temporary_name, write_json, write_text
from engine.storage.store import is_done

FORMAT = 1
"""Version of what a run folder holds; raised when an older one can no longer be continued."""
_MARK = "run.json"
"""The file that makes a folder a run's."""
_CONFIG = "config.yaml"
"""The file that keeps the config of a run."""
EARLIER = ".earlier"
"""The file that names what a run folder still has of an earlier config, while the new one is made; no file: nothing."""
LONGEST_NAME_BYTES = 230
"""The most bytes that the name of a run folder may have: file systems allow 255 in a name, and files beside it are
called `.NAME.status.json.tmp`, for example."""
_RUNS = "runs"
"""The folder of a store that remembers runs."""
_ANY, _NAMED = "runs/latest", 5
"""The folder that a message names where there is no run to name, and most runs that it names."""
_KINDS = {
    "chunk_sizes": ("compares chunk sizes (experiment=chunk_size)", "chunk_sizes/chunk_sizes.html"),
    "learning_curve": ("is a learning curve (experiment=learning_curve)", "learning_curve/learning_curve.html"),
    "stages": ("compares several models (stages.models)", "stages/stages.html"),
    "output": ("is batch inference (experiment=batch)", "output"),
}
"""What a run is that ends otherwise than with a report, and where in its folder its result lies, by its last noun."""


def require(run: str, *nouns: str) -> dict[str, Path]:
    """Finds the finished folders of a run.

    Args:
        run: the run folder, as a user typed it.
        nouns: the steps whose folders are needed.

    Returns:
        The folder in the store, by noun.

    Raises:
        UserError: `run` is no run folder, a run of another kind, or one of the steps has not been finished.
    """
    folder = Path(run).expanduser()
    if not is_run(folder):
        raise no_run(folder)
    for noun in nouns:
        if not is_done(folder / noun):
            raise _not_finished(folder, noun)
    return {noun: (folder / noun).resolve() for noun in nouns}


def _not_finished(folder: Path, noun: str) -> UserError:
    """Returns the error for a run without the output of a step: one of another kind never has it."""
    for last, (kind, result) in _KINDS.items():
        if is_done(folder / last):
            remedy = f"see {folder}/{result}, or run its command again, which shows its result in seconds"
            return UserError(f"{kind}, and such a run has no {noun}", where=str(folder), remedy=remedy)
    if is_done(folder / "examples") and not is_done(folder / "documents"):
        kind, remedy = "is a training on given examples alone", f"see {folder}/report/report.html"
        return UserError(f"{kind}, and such a run has no {noun}", where=str(folder), remedy=remedy)
    remedy = "run it to its end first"
    if is_locked(lock_file(folder)):
        remedy = f"synthmill is working on it; wait for it, or see `synthmill status {folder}`"
    return UserError(f"the run has no finished {noun}", where=str(folder), remedy=remedy)


def no_run(folder: Path) -> UserError:
    """Returns the error for a path that is no run's: it names the runs that lie in the same folder, if there are any.

    Until the first run of a folder has finished there is no `latest`.
    """
    named = runs_beside(folder)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    remedy = (
        f"name a run that is there: {', '.join(named[:_NAMED])}{more}" if named else f"name a folder such as {_ANY}"
    )
    return UserError("is no run folder", where=str(folder), remedy=remedy)


def _is_lock(file: Path) -> bool:
    """Tells whether a file may be the lock of a run; those of other programs hold something."""
    try:
        return file.suffix == ".lock" and file.is_file() and file.stat().st_size == 0
    except OSError:  # it is gone, or not to be looked at
        return False


def runs_beside(folder: Path) -> list[str]:
    """Lists the runs in the folder that a path lies in, as paths, those first that a driver works on, which it says.

    A run that still reads its input has no folder yet, and is there all the same.
    """
    parent = folder.parent
    try:
        entries = sorted(parent.iterdir())
    except OSError:  # what cannot be listed names no run; the caller says what is wrong with the path
        return []
    drivers = (entry.name for entry in entries if entry.name.startswith(".") and _is_lock(entry))
    running = [name[1:].removesuffix(".lock") for name in drivers if is_locked(parent / name)]
    resting = [
        entry.name for entry in entries if is_run(entry) and not entry.is_symlink() and entry.name not in running
    ]
    return [*(f"{parent / name} (running)" for name in running), *(str(parent / name) for name in resting)]


@contextlib.contextmanager
def hold_run(run_dir: Path) -> Iterator[None]:
    """Takes a run folder for this driver alone, for as long as the block lasts; the folder need not exist.

    Raises:
        UserError: another driver works on it, another version wrote it, it is no run folder, or its name is too long.
    """
    _check_name(run_dir)
    _check_run_folder(run_dir)
    run_dir = run_dir.resolve()  # runs/latest and what it points to are one run
    make_folder(run_dir.parent, where=f"run_dir={run_dir}")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(lock_file(run_dir), wait=False))
        except BlockingIOError:
            raise UserError(
                "another synthmill is working on this run",
                where=f"run_dir={run_dir}",
                remedy="wait for it, stop it, or give this one its own run_dir",
            ) from None
        except OSError as error:
            raise UserError(
                f"cannot be written beside ({error.strerror})",
                where=f"run_dir={run_dir}",
                remedy="name a folder whose parent you may write in",
            ) from error
        try:
            yield
        finally:
            if not run_dir.exists():  # the run was refused: nothing of it is left
                (run_dir.parent / f".{run_dir.name}.lock").unlink(missing_ok=True)


def lock_file(run_dir: Path) -> Path:
    """Returns the file whose lock is the right to work on a run folder, which need not exist."""
    folder = run_dir.resolve()  # runs/latest and what it points to are one run
    return folder.parent / f".{folder.name}.lock"


def begin_run(run_dir: Path, config_text: str) -> None:
    """Marks a folder as a run of this format and writes its config; `config_text` is YAML."""
    run_dir.mkdir(exist_ok=True)
    write_json(run_dir / _MARK, {"format": FORMAT})
    write_text(run_dir / _CONFIG, config_text)


def config_file(run_dir: Path) -> Path:
    """Returns the file with the config that a run was last started with, as YAML."""
    return run_dir / _CONFIG


def note_earlier(run_dir: Path, entries: Sequence[str]) -> None:
    """Notes which entries of a run folder are still those of an earlier config; none takes the note away.

    The note names what they lead to, too: of an entry that leads elsewhere by now it says nothing, so that it may be
    written before or after a link is replaced.
    """
    file = run_dir / EARLIER
    if entries:
        write_text(file, "".join(f"{entry}\t{_leads_to(run_dir / entry)}\n" for entry in entries))
    else:
        file.unlink(missing_ok=True)


def read_earlier(run_dir: Path) -> list[str]:
    """Reads which entries of a run folder are still those of an earlier config; mostly none."""
    try:
        lines = (run_dir / EARLIER).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    noted = (line.partition("\t") for line in lines)
    return [entry for entry, _, folder in noted if folder in ("", _leads_to(run_dir / entry))]  # "": an older version's


def _leads_to(entry: Path) -> str:
    """Returns the name of the folder that an entry of a run folder leads to, which need not be there."""
    return entry.resolve().name


def end_run(run_dir: Path) -> None:
    """Makes a folder no run's any more: removes its links, its mark and its config, and the folder if it is empty then.

    The mark goes last, so that a kill on the way leaves a run that can be ended once more.
    """
    for entry in [entry for entry in run_dir.iterdir() if entry.is_symlink()]:
        entry.unlink()
    for name in (_CONFIG, _MARK):
        (run_dir / name).unlink(missing_ok=True)
    remove_if_empty(run_dir)


def remove_if_empty(folder: Path) -> None:
    """Removes a folder that holds nothing; one that holds something stays, and a missing one is no mistake."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _check_name(run_dir: Path) -> None:
    """Refuses a name that is too long for the files that lie beside a run folder and have its name with more in it."""
    num_bytes = len(os.fsencode(run_dir.name))
    if num_bytes > LONGEST_NAME_BYTES:
        what = f"the name of the folder has {num_bytes} bytes, and files beside it have longer ones"
        remedy = f"set run_dir to a folder whose name has at most {LONGEST_NAME_BYTES}"
        raise UserError(what, where=f"run_dir={run_dir}", remedy=remedy)


def _check_run_folder(run_dir: Path) -> None:
    """Refuses a file, another format, and a folder with files that no run wrote; a missing or empty one is fine."""
    if run_dir.is_file():
        raise UserError("is a file", where=f"run_dir={run_dir}", remedy="name a folder that synthmill may write")
    if not run_dir.exists() or all(entry.suffix == ".tmp" for entry in run_dir.iterdir()):
        return
    try:
        written = json.loads((run_dir / _MARK).read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            "holds files that are not of a synthmill run",
            where=f"run_dir={run_dir}",
            remedy="name a new or empty folder",
        ) from None
    if written != FORMAT:
        raise UserError(
            f"was written by another version of synthmill (format {written}, this one writes {FORMAT})",
            where=f"run_dir={run_dir}",
            remedy="name a new run_dir, or continue with the version that wrote it",
        )


def link(run_dir: Path, noun: str, folder: Path) -> None:
    """Points the run's entry for `noun` at a store folder, replacing an older link in one step."""
    entry, target = run_dir / noun, _target(run_dir.resolve(), folder.resolve())
    if entry.is_symlink() and entry.readlink() == target:
        return
    temporary = temporary_name(run_dir / f".{noun}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(entry)


def _target(start: Path, folder: Path) -> Path:
    """Works out what a link in `start` says to lead to `folder`, both without links: the way there from where it lies.

    Where the two share no more than the root, they are on different disks or of different people, and move apart: the
    link then names the place, so that at least the run can be moved.
    """
    shared = Path(os.path.commonpath([start, folder]))
    return folder if shared == Path(folder.anchor) else Path(os.path.relpath(folder, start))


def remember_run(store: Path, run_dir: Path) -> None:
    """Links from the store back to a run, wherever the run lies, so that `clean` spares what the run links to."""
    (store / _RUNS).mkdir(parents=True, exist_ok=True)
    link(store / _RUNS, digest(str(run_dir.resolve())), run_dir)


def remembered_runs(store: Path) -> dict[Path, Path]:
    """Returns the runs that a store remembers, there or gone, by the link that remembers them."""
    return {entry: entry.resolve() for entry in sorted((store / _RUNS).glob("*")) if entry.suffix != ".tmp"}


def is_run(folder: Path) -> bool:
    """Tells whether a folder is a run's, of whichever format; its name may be a link."""
    return (folder / _MARK).exists()


def find_runs(runs_dir: Path) -> set[Path]:
    """Finds every run folder below `runs_dir`, without links in their paths; its store is not searched.

    A link to a folder is followed only if that folder is a run, so that no circle can form.

    Raises:
        OSError: a folder cannot be read, so that runs in it would be missed.
    """
    runs: set[Path] = set()

    def fail(error: OSError) -> None:
        raise error

    for parent, names, _ in os.walk(runs_dir, onerror=fail):
        if Path(parent) == runs_dir and "store" in names:
            names.remove("store")
        runs |= {
            folder.resolve() for folder in (Path(parent), *(Path(parent, name) for name in names)) if is_run(folder)
        }
    return runs


def link_latest(runs_dir: Path, run_dir: Path) -> None:
    """Points `runs_dir/latest` at the run that finished last, unless a run itself has that name."""
    runs_dir.mkdir(parents=True, exist_ok=True)
    latest = runs_dir / "latest"
    if latest.is_symlink() or not latest.exists():
        link(runs_dir, "latest", run_dir)

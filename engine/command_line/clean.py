"""`synthmill clean [RUNS_DIR]`: removes the step outputs that nothing needs any more, once it has said which.

In: the folder that holds runs and their store. Out: the list of what goes, an answer, and a smaller store. Needed is
what a run links to, wherever the run lies, what a running synthmill uses, and all that those were made from. A link or
a run that is not where it was may only have been moved, so it stops everything: what it needs cannot be known. Parts of
samples that do not count go as well (engine/command_line/ignored_parts.py), and what was worked out beside generation
(engine/command_line/followed_results.py).
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.command_line.followed_results import find_followed, remove_followed
from engine.command_line.ignored_parts import bytes_of, find_ignored, remove_ignored
from engine.errors import UserError
from engine.runtime.console import Console
from engine.runtime.step import PART_FOLDERS
from engine.storage.files import locked
from engine.storage.in_use import while_no_driver_starts
from engine.storage.remote.address import is_url
from engine.storage.run_folders import find_runs, is_run, remembered_runs
from engine.storage.store import Store, is_being_written, is_done

_LOGS = "logs"
"""A link of a run that keeps no step output alive."""
_SHOWN = 3
"""The number of links that lead nowhere and are named in a message; a moved project has hundreds."""


@dataclass(frozen=True)
class Options:
    """The options of `clean`."""

    runs_dir: str = "runs"
    yes: bool = False
    """Whether to remove without asking."""
    forget: tuple[str, ...] = ()
    """Runs, as typed, that are gone for good."""


@dataclass(frozen=True)
class Plan:
    """All that `clean` would remove."""

    removed: list[Path]
    """Folders of step outputs that nothing needs."""
    busy: list[Path]
    """Folders that nothing but a running synthmill needs; they stay."""
    forgotten: list[Path]
    """Links of the store that remember a run which is gone for good."""
    ignored: dict[Path, list[Path]]
    """Of folders that stay: parts of samples that do not count."""
    followed: list[Path] = field(default_factory=list)
    """What was worked out of samples beside generation, and nobody reads."""


def read_options(arguments: Sequence[str], usage: str) -> Options:
    """Reads what follows the command.

    Args:
        arguments: as typed.
        usage: how the command is written, for messages.

    Raises:
        UserError: there is no such option, a run to forget is not named, or more than one folder is.
    """
    folders: list[str] = []
    forget: list[str] = []
    yes = False
    rest = iter(arguments)
    for argument in rest:
        if argument == "--yes":
            yes = True
        elif argument == "--forget" or argument.startswith("--forget="):
            forget.append(argument.partition("=")[2] or next(rest, ""))
        elif argument.startswith("-"):
            raise UserError(f"there is no option {argument!r}", where="clean", remedy=f"write: {usage}")
        else:
            folders.append(argument)
    if not all(forget):
        raise UserError("names no run", where="clean --forget", remedy=f"write: {usage}")
    if len(folders) > 1:
        raise UserError(f"{len(folders)} arguments, 1 wanted", where="clean", remedy=f"write: {usage}")
    return Options(folders[0] if folders else Options.runs_dir, yes, tuple(forget))


def clean(options: Options) -> int:
    """Shows what nothing needs any more, asks, and removes it.

    Returns:
        The exit code: 0, also where the answer was no.

    Raises:
        UserError: the folder holds no store, something that a run needs cannot be known, another `clean` is at work,
            or there is no terminal to ask on.
    """
    if is_url(options.runs_dir):
        remedy = "name a folder; what runs behind a URL no longer need is deleted there (docs/storage.md)"
        raise UserError("removes step outputs of folders only", where=f"clean {options.runs_dir}", remedy=remedy)
    runs = Path(options.runs_dir).expanduser()
    store = Store(runs / "store")
    if not store.root.is_dir():
        raise UserError(
            "holds no store of step outputs", where=str(runs), remedy="name the folder that holds your runs"
        )
    console = Console()
    with _alone(store):
        with while_no_driver_starts(store.root) as in_use:
            plan = make_plan(runs, store, options, in_use)
        sizes = {folder: size_bytes(folder) for folder in (*plan.removed, *plan.followed)}
        _show(plan, sizes, store, console)
        if not (plan.removed or plan.forgotten or plan.ignored or plan.followed):
            return 0
        if not (options.yes or _agrees(options)):
            console.verbatim("nothing was removed")
            return 0
        removed = carry_out(plan, runs, store, options)
        freed = remove_ignored(plan.ignored)
        followed = remove_followed(plan.followed)
    for folder in sorted(sizes.keys() - removed - {*followed}):
        console.verbatim(f"stays, it is used since: {folder.relative_to(store.root)}")
    if plan.removed or plan.forgotten:
        num_bytes = sum(sizes[folder] for folder in removed)
        console.verbatim(f"removed {len(removed)} step outputs, {_megabytes(num_bytes)}")
    if plan.ignored:
        console.verbatim(f"removed parts that do not count, {_megabytes(freed)}")
    if plan.followed:
        console.verbatim(f"removed {_followed_in_words(sizes, followed)}")
    return 0


@contextlib.contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Lets one `clean` work in a store at a time; what may not be read is a UserError, since a run could be there."""
    try:
        with locked(store.root / ".clean.lock", wait=False):
            yield
    except BlockingIOError:
        raise UserError("another clean is at work here", where=str(store.root), remedy="wait for it") from None
    except PermissionError as error:
        raise UserError(
            f"may not be used ({error.strerror}), and what it needs cannot be known",
            where=str(error.filename),
            remedy="make it readable and writable to you, or let its owner clean",
        ) from error


def make_plan(runs: Path, store: Store, options: Options, in_use: Iterable[str]) -> Plan:
    """Works out what nothing needs; nothing is changed.

    Args:
        runs: the folder of runs that holds the store.
        store: where step outputs are.
        options: the options, with the runs to forget.
        in_use: fingerprints that running drivers use.

    Raises:
        UserError: a link of a run leads nowhere, a remembered run is not there, or a record cannot be read.
    """
    remembered = remembered_runs(store.root)
    missing = {note: run for note, run in remembered.items() if not is_run(run)}
    forgotten = _named(options.forget, missing)
    if gone := {run for note, run in missing.items() if note not in forgotten}:
        raise _no_run(sorted(gone), store, options)
    targets = _targets(find_runs(runs) | {run for run in remembered.values() if is_run(run)})
    outputs = {folder.resolve(): folder for folder in store.outputs()}
    linked = {outputs[path].name for target in targets for path in (target, *target.parents) if path in outputs}
    needed, running = store.with_inputs(linked), store.with_inputs(in_use)
    unneeded = [folder for folder in outputs.values() if folder.name not in needed and not folder.is_symlink()]
    busy = [folder for folder in unneeded if folder.name in running or is_being_written(folder)]
    removed = [folder for folder in unneeded if folder not in busy]
    useless = {*store.left_working(), *(work for work, folder in store.work_folders().items() if folder in removed)}
    works = [work for work, folder in store.work_folders().items() if work in useless and not is_being_written(folder)]
    ignored = find_ignored(folder for folder in outputs.values() if folder not in removed and not folder.is_symlink())
    followed = find_followed(store, (folder for folder in outputs.values() if folder not in removed), running)
    return Plan([*removed, *works, *store.left_aside()], busy, forgotten, ignored, followed)


def _named(names: Iterable[str], missing: dict[Path, Path]) -> list[Path]:
    """Finds the links that remember the runs named, each of which has to be missing."""
    notes: list[Path] = []
    for name in names:
        run = Path(name).expanduser().resolve()
        same = [note for note, gone in missing.items() if gone == run]
        if not same:
            valid = ", ".join(sorted(map(str, set(missing.values())))) or "none"
            raise UserError(
                "is no run that the store misses", where=f"clean --forget {name}", remedy=f"missing are: {valid}"
            )
        notes += same
    return notes


def _no_run(gone: Sequence[Path], store: Store, options: Options) -> UserError:
    """Makes the error for remembered runs that are not there."""
    rest = f" (nor are {len(gone) - 1} more), so what they need" if gone[1:] else ", so what it needs"
    every = [word for run in [*map(Path, options.forget), *gone] for word in ("--forget", str(run))]
    command = shlex.join(["synthmill", "clean", options.runs_dir, *every])
    return UserError(
        f"is a run that {store.root} remembers, and it is not there{rest} cannot be known",
        where=str(gone[0]),
        remedy=f"bring it back; if it was moved, start it in its new place; then, or if it is gone for good: {command}",
    )


def _targets(runs: Collection[Path]) -> set[Path]:
    """Finds where the links of run folders lead, and those of their parts (`PART_FOLDERS`).

    Raises:
        UserError: a link leads nowhere.
    """
    parts = [part for run in runs for name in PART_FOLDERS for part in run.glob(f"{name}/*")]
    folders = [folder for folder in (*runs, *parts) if folder.is_dir()]
    entries = [entry for folder in folders for entry in folder.iterdir() if entry.is_symlink()]
    links = [entry for entry in entries if entry.name != _LOGS and entry.suffix != ".tmp"]  # a kill leaves *.tmp
    if dangling := sorted(entry for entry in links if not entry.exists()):
        others = ", ".join(map(str, dangling[1:_SHOWN])) + (", ..." if dangling[_SHOWN:] else "")
        rest = f" ({len(dangling) - 1} more lead nowhere: {others})" if dangling[1:] else ""
        raise UserError(
            f"leads to {dangling[0].readlink()}, which is not there{rest}, so what the run needs cannot be known",
            where=str(dangling[0]),
            remedy="bring that back, start the run once more, which links anew, or remove the run's folder",
        )
    return {entry.resolve() for entry in links}


def _show(plan: Plan, sizes: Mapping[Path, int], store: Store, console: Console) -> None:
    """Prints a plan: each folder with its size in bytes, and the total."""
    for folder in plan.busy:
        console.verbatim(f"stays, a running synthmill uses it: {folder.relative_to(store.root)}")
    for note in plan.forgotten:
        console.verbatim(f"forgets the run {note.resolve()}")
    for folder in plan.removed:
        state = "" if is_done(folder) else "  unfinished"
        console.verbatim(f"{folder.relative_to(store.root)!s:<32} {_megabytes(sizes[folder]):>14}{state}")
    for folder, files in plan.ignored.items():
        num_bytes = bytes_of(files)
        name = str(folder.relative_to(store.root))
        console.verbatim(f"{name:<32} {_megabytes(num_bytes):>14}  {len(files)} of its parts do not count")
    for folder in plan.followed:
        console.verbatim(f"{folder.relative_to(store.root)!s:<32} {_megabytes(sizes[folder]):>14}  begun curation")
    if plan.removed:
        num_bytes = sum(sizes[folder] for folder in plan.removed)
        console.verbatim(f"no run needs these {len(plan.removed)} step outputs, {_megabytes(num_bytes)}")
    if plan.followed:
        console.verbatim(f"no run reads these {_followed_in_words(sizes, plan.followed)}")
    elif not (plan.removed or plan.ignored):
        console.verbatim("nothing to remove: every step output is needed")


def _followed_in_words(sizes: Mapping[Path, int], followed: Collection[Path]) -> str:
    size = _megabytes(sum(sizes[folder] for folder in followed))
    return f"{len(followed)} beginnings of curation, worked out beside generation, {size}"


def _agrees(options: Options) -> bool:
    """Asks whether the plan that was shown is to be carried out.

    Raises:
        UserError: there is nobody to ask.
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        command = shlex.join(["synthmill", "clean", options.runs_dir, "--yes"])
        raise UserError(
            "nothing was removed, for there is no terminal to ask on",
            where=options.runs_dir,
            remedy=f"remove these without being asked: {command}",
        )
    sys.stdout.write("remove them? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def carry_out(plan: Plan, runs: Path, store: Store, options: Options) -> set[Path]:
    """Removes what a plan says and is still not needed: a run may have begun while a person thought about it.

    Returns:
        The folders that are gone.
    """
    aside: dict[Path, Path | None] = {folder: folder for folder in store.left_aside() if folder in plan.removed}
    with while_no_driver_starts(store.root) as in_use:
        now = make_plan(runs, store, options, in_use)
        for folder in now.removed:
            if folder in plan.removed and folder not in aside:
                with contextlib.suppress(BlockingIOError):  # a process just began to use it: it stays
                    aside[folder] = store.set_aside(folder)
        for note in now.forgotten:
            note.unlink()
    for path in set(filter(None, aside.values())):  # an earlier clean may have left a folder of this name
        shutil.rmtree(path)
    return set(aside)


def size_bytes(folder: Path) -> int:
    """Adds up the files below a folder; what a link leads to does not count."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"

"""Safe writing: files that are whole or absent, exclusive locks, and disks that are full.

In: a path and what is to be there. Out: the file or folder, or an error that says what to do. A reader, or a kill at
any moment, sees the old file or the new one and never half of it, because a file is written beside its place and then
renamed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import UserError

_MOST_TRIES = 1000
"""How often a lock file is opened again because it was removed meanwhile: many times what processes that take turns and
remove it can cause."""
_ASKED_TRIES, _ASKED_SECONDS = 300, 0.01
"""How often, and how soon, a lock is tried again that others share: who only asks has it for less than a millisecond,
and who fetches a run for as long as it takes to write its links."""


def write_text(file: Path, text: str) -> None:
    """Replaces a file by `text` in one step: the text goes to a file beside it, reaches the disk, and is renamed.

    When this returns, the new name has reached the disk as well.
    """
    temporary = temporary_name(file)
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
    fsync_folder(file.parent)


def fsync_folder(folder: Path) -> None:
    """Makes renames and deletions in a folder last through a power cut."""
    _fsync(folder)


def _fsync(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Makes everything in a folder last through a power cut: its files, then the folders, then its own name.

    What a link leads to is left to whoever wrote it.
    """
    for parent, _, names in os.walk(folder, topdown=False):
        for file in (Path(parent, name) for name in names):
            if file.is_file() and not file.is_symlink():
                _fsync(file)
        fsync_folder(Path(parent))
    fsync_folder(folder.parent)


def write_json(file: Path, value: object) -> None:
    """Replaces a file by `value` as indented JSON, in one step as `write_text`."""
    write_text(file, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def temporary_name(file: Path) -> Path:
    """Returns a name beside `file` that no other thread of this machine writes to at the same time."""
    return file.with_name(f"{file.name}.{threading.get_native_id()}.tmp")


@contextlib.contextmanager
def temporary_beside(file: Path) -> Iterator[Path]:
    """Gives a name beside `file` to write under before a rename, and holds its lock meanwhile.

    What a killed process left of `file` under such a name, which nobody holds any more, is removed first; the name
    itself is removed where it was not renamed.
    """
    name = re.compile(rf"{re.escape(file.name)}\.\d+\.tmp")
    for leftover in [beside for beside in file.parent.iterdir() if name.fullmatch(beside.name)]:
        with contextlib.suppress(BlockingIOError, PermissionError), locked(leftover, wait=False):  # else it is not ours
            leftover.unlink(missing_ok=True)
    temporary = temporary_name(file)
    with locked(temporary, wait=True):
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(file: Path, *, wait: bool, shared: bool = False) -> Iterator[None]:
    """Holds a lock on `file`, which is made if it is missing.

    Args:
        file: the lock file; it may lie in a folder that is not locked itself.
        wait: whether to wait until the present holder gives the lock back. Who only asks, as `is_locked` does, or
            shares the lock for a moment is waited for in any case.
        shared: whether others may hold the lock at the same time, if theirs are shared as well.

    Raises:
        BlockingIOError: `wait` is false and another process holds the lock.
        UserError: the file system says of an open file, time after time, that it is not the file of that name.
    """
    for _ in range(_MOST_TRIES):
        with file.open("a+") as stream:  # for NFS, which shares the locks of files that can be read alone
            if wait:
                fcntl.flock(stream, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            else:
                _flock_now(stream.fileno(), shared=shared)
            if _is_open(stream.fileno(), file):  # else it was removed meanwhile, and others lock another file
                yield
                return
    raise UserError(
        "the file system gives one file changing numbers (inodes), so that nothing can be locked there",
        where=str(file),
        remedy="set runs_dir, or SYNTHMILL_CACHE for what lies there, to a folder on a local disk",
    )


def _flock_now(descriptor: int, *, shared: bool) -> None:
    """Takes a lock that nobody holds for longer than a question takes.

    Raises:
        BlockingIOError: somebody does. A lock that is not shared says so at once; one that is shared may be a question.
    """
    if shared:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return
    for number in range(1, _ASKED_TRIES + 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if number == _ASKED_TRIES:
                raise
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # refused where the lock is held by one alone
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(_ASKED_SECONDS)
        else:
            return


def lock_file(folder: Path) -> Path:
    """Returns the file whose lock is the right to a folder; it lies beside it, so the folder can come and go."""
    return folder.with_name(f".{folder.name}.lock")


def is_locked(file: Path, *, or_shared: bool = False) -> bool:
    """Tells whether a process holds a lock on a file; nothing is made by asking.

    Who asks shares the lock for as long as that takes, so that nobody who takes it meanwhile is refused (`locked`). A
    file that this user may not open says nothing, and counts as free.

    Args:
        file: the lock file.
        or_shared: whether a lock that is shared counts as well. Then whoever asks at the same time may be counted.
    """
    kind = fcntl.LOCK_EX if or_shared else fcntl.LOCK_SH
    try:
        for _ in range(_MOST_TRIES):
            with file.open("r+" if or_shared else "r") as stream:
                fcntl.flock(stream, kind | fcntl.LOCK_NB)
                if _is_open(stream.fileno(), file):  # else it was removed meanwhile, and another one may be locked
                    break
    except BlockingIOError:
        return True
    except (FileNotFoundError, PermissionError):
        pass
    return False


def _is_open(descriptor: int, file: Path) -> bool:
    """Tells whether a descriptor is of the file that now has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def make_folder(folder: Path, *, where: str) -> None:
    """Makes a folder that outputs go to, with its parents; one that is there is left as it is.

    Raises:
        UserError: a file is in the way, or nothing may be written there; `where` is the key that named the folder.
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
        raise UserError(what, where=where, remedy="name a folder that synthmill may write")


def require_space(folder: Path, at_least_bytes: int, setting: str = "") -> None:
    """Refuses to start on a disk that is nearly full.

    Args:
        folder: on the disk in question; it need not exist yet.
        at_least_bytes: the free space that is required.
        setting: the config key that sets `at_least_bytes`, for the message; empty where there is none.

    Raises:
        UserError: less than `at_least_bytes` are free.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < at_least_bytes:
        by = f" by {setting}" if setting else ""
        raise disk_full(folder, f"{free / 1e9:.2f} GB free, {at_least_bytes / 1e9:.2f} GB wanted{by}")


def disk_full(folder: Path, detail: str) -> UserError:
    """Returns the error for a disk with no room, the same whenever it is noticed."""
    return UserError(
        f"the disk is full ({detail})",
        where=str(folder),
        remedy="free some space or set runs_dir to another disk, then run the same command again: it continues",
    )


@contextlib.contextmanager
def naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Turns an OSError that says there is no room, raised inside the block, into the UserError of `disk_full`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(folder, str(error.strerror)) from error
        raise


def is_disk_full(error: OSError) -> bool:
    """Tells whether an OSError says that there was no room: the disk, or the user's quota, is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)

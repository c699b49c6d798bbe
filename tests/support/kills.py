"""Death at the N-th change of the disk, in the same process or for good.

In: a number. Out: an exception, or the end of the process, instead of the file operation with that number. What
changes a disk: opening to write, writing and syncing, renaming, linking, deleting, making a folder.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

OPERATIONS = {
    os: ("open", "rename", "replace", "link", "unlink", "mkdir", "fsync"),
    pathlib.Path: ("open", "rename", "replace", "unlink", "mkdir"),
}


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it happens."""


def install(number: int, die: Callable[[], None]) -> Callable[[], None]:
    """Has `die` called instead of the file operation with this number.

    Returns:
        What takes all of this back.
    """
    count, inside = 0, threading.local()
    originals: list[tuple[Any, str, Any]] = []

    def counting(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            if getattr(inside, "one", False) or (original.__name__ == "open" and not _writes(arguments, options)):
                return original(*arguments, **options)
            count += 1
            if count > number:
                die()
            inside.one = True  # pathlib's operations are those of os
            try:
                return original(*arguments, **options)
            finally:
                inside.one = False

        return wrapped

    for owner, names in OPERATIONS.items():
        for name in names:
            originals.append((owner, name, getattr(owner, name)))
            setattr(owner, name, counting(getattr(owner, name)))

    def take_back() -> None:
        for owner, name, original in originals:
            setattr(owner, name, original)

    return take_back


def _writes(arguments: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Whether a call of Path.open opens to write, or one of os.open to make a file."""
    mode = arguments[1] if len(arguments) > 1 else options.get("mode", "r")
    return bool(mode & os.O_CREAT) if isinstance(mode, int) else any(letter in mode for letter in "wax")


@contextlib.contextmanager
def killing_at(number: int) -> Iterator[None]:
    """Raises Killed at the N-th change of the disk inside the block."""

    def die() -> None:
        raise Killed

    take_back = install(number, die)
    try:
        yield
    finally:
        take_back()

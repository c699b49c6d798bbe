"""Who uses what was worked out of samples beside generation, so that nobody takes it away from under a reader.

    STORE/followed/NAME.KEY/        results about one samples folder by one set of settings (results.py)
    STORE/followed/.NAME.KEY.lock   held, shared, by every process that makes these results or waits to read them

In: a folder of results. Out: the right to use it for as long as a block lasts, and its removal by whoever can have it
alone. The locks are `flock`s: those of a process that was killed are gone with it.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.storage.files import is_locked, lock_file, locked

FOLDER = "followed"
"""The folder of all results in a store."""


@contextlib.contextmanager
def using_results(folder: Path) -> Iterator[None]:
    """Keeps a folder of results from being removed while the block lasts; others may use it as well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock_file(folder), wait=True, shared=True):
        yield


def remove_results(folder: Path) -> bool:
    """Removes a folder of results, unless a living process uses it.

    Returns:
        Whether the folder is gone.
    """
    if are_used(folder):  # else the shares of others would pass for questions, and be waited for
        return False
    try:
        with locked(lock_file(folder), wait=False):
            if folder.exists():
                shutil.rmtree(folder)
            lock_file(folder).unlink(missing_ok=True)
    except FileNotFoundError:  # there is no store of results at all
        return True
    except BlockingIOError:
        return False
    return True


def are_used(folder: Path) -> bool:
    """Tells whether a living process uses a folder of results; nothing is made by asking."""
    return is_locked(lock_file(folder), or_shared=True)


def all_results(store: Path) -> list[Path]:
    """Returns the folders of all results in a store, in the order of their names."""
    return sorted(path for path in (store / FOLDER).glob("[!.]*") if path.is_dir())


def samples_of(folder: Path) -> str:
    """Returns the fingerprint of the samples that a folder of results is about."""
    return folder.name.rpartition(".")[0].rpartition("-")[0]

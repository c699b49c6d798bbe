"""The local side of what lies behind a URL: a folder in the user's cache that can be deleted at any time.

    CACHE/remote/5b0f.../url           which URL, for people
    CACHE/remote/5b0f.../id            tells this cache from those of other machines
    CACHE/remote/5b0f.../runs/         a runs_dir like any other
    CACHE/remote/5b0f.../runs/store/samples/.3f2a....shared    that the folder beside it is committed, and as what

In: a URL; folders of the store that are committed. Out: where they lie here; and room, made by removing those that were
not used for the longest time and no running driver needs.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.storage import digests
from engine.storage.digests import digest
from engine.storage.files import locked, make_folder, write_json, write_text
from engine.storage.in_use import while_no_driver_starts
from engine.storage.remote.folders import FETCHED
from engine.storage.remote.stores import endpoint_of
from engine.storage.store import Store, holding, is_done

_FOLDER = "remote"
_ENDING = ".shared"


@dataclass(frozen=True)
class Cache:
    """The cache of one URL."""

    path: Path
    holder: str
    """Names this process and this cache in claims."""

    @property
    def runs_dir(self) -> Path:
        """Returns the folder of its runs and their store."""
        return self.path / "runs"

    @property
    def store(self) -> Store:
        """Returns the store of its runs."""
        return Store(self.runs_dir / "store")


def cache_name(url: str) -> str:
    """Returns the name of a URL in a cache; the same URL of two stores (by `AWS_ENDPOINT_URL`, say) has two."""
    return digest([url, endpoint_of(url)])


def cache_path(url: str) -> Path:
    """Returns where the cache of a URL lies."""
    return digests.CACHE / _FOLDER / cache_name(url)


def open_cache(url: str) -> Cache:
    """Makes the cache of a URL, or finds it."""
    path = cache_path(url)
    make_folder(path / "runs" / "store", where=f"SYNTHMILL_CACHE={digests.CACHE}")
    name = path / "id"
    with locked(path / ".lock", wait=True):
        if not name.exists():
            write_text(path / "url", f"{url}\n")
            write_text(name, uuid.uuid4().hex)
    return Cache(path, f"{os.uname().nodename}/{os.getpid()}/{name.read_text(encoding='utf-8')}")


def note_shared(folder: Path, content: object) -> None:
    """Notes that a finished folder is committed, and as what."""
    num_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    write_json(_note_of(folder), {"content": digest(content), "bytes": num_bytes})


def is_copy_of(folder: Path, content: object) -> bool:
    """Tells whether a folder here is what was committed, and counts that as a use of it."""
    note = _note_of(folder)
    if not is_done(folder) or not note.exists():
        return False
    os.utime(note)
    return bool(json.loads(note.read_text(encoding="utf-8"))["content"] == digest(content))


def forget_shared(folder: Path) -> None:
    """Takes back that a folder is committed, before it changes."""
    _note_of(folder).unlink(missing_ok=True)


def make_room(cache: Cache, keep_bytes: int) -> list[Path]:
    """Removes committed folders that no running driver uses, the longest unused first, until few enough bytes are left.

    What kills left goes in any case: folders that were set aside, those that nobody fetches any more, and work folders
    of steps that have finished.

    Returns:
        The folders that were removed.
    """
    removed = []
    with while_no_driver_starts(cache.store.root) as used:
        for leftover in cache.store.left_aside():
            shutil.rmtree(leftover)
        for work in cache.store.left_working():
            with contextlib.suppress(BlockingIOError):  # a process makes that step
                _delete(cache.store, work)
        _remove_half_fetched(cache.store)
        notes = sorted(_notes(cache.store), key=lambda note: note.stat().st_mtime_ns)
        sizes = {note: int(json.loads(note.read_text(encoding="utf-8"))["bytes"]) for note in notes}
        total = sum(sizes.values())
        for note in notes:
            folder = note.with_name(note.name.removesuffix(_ENDING)[1:])
            if total > keep_bytes and folder.name not in used and _remove(cache.store, folder):
                total -= sizes[note]
                removed.append(folder)
    return removed


def _remove(store: Store, folder: Path) -> bool:
    if folder.exists():
        try:
            _delete(store, folder)
        except BlockingIOError:  # it is being fetched, or made anew
            return False
    forget_shared(folder)
    return True


def _delete(store: Store, folder: Path) -> None:
    if aside := store.set_aside(folder):
        shutil.rmtree(aside)


def _remove_half_fetched(store: Store) -> None:
    for fetched in store.root.glob(f"*/.*{FETCHED}"):
        folder = fetched.with_name(fetched.name.removesuffix(FETCHED)[1:])
        with contextlib.suppress(BlockingIOError), holding(folder):  # else it is being fetched now
            if fetched.exists():  # it was whole before the lock was free
                shutil.rmtree(fetched)


def _notes(store: Store) -> Iterator[Path]:
    return store.root.glob(f"*/.*{_ENDING}")


def _note_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{_ENDING}")

"""A samples folder behind a URL while it is being written: so a machine that is lost loses what was open on it.

    RUNS/store/samples/3f2a.../open/manifest/00000007.json                  what counts
    RUNS/store/samples/3f2a.../open/attempt-0002/part-e1-00003.parquet      a part, from the engine that wrote it

In: parts and entries of the manifest. Out: the same on the disk of the driver that goes on. The protocol is that of a
disk (engine/storage/manifest.py): an entry is made under a number that nobody has used, which one conditional write
decides, and only then on the driver's disk. So that disk never knows more than the store, and a driver that was taken
over gets no number any more. Parts need no condition, since no two writers share a name.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.storage.files import write_text
from engine.storage.manifest import MANIFEST, Listing, Manifest
from engine.storage.parts import is_over, part_name
from engine.storage.remote.address import require_inside
from engine.storage.remote.objects import Objects

OPEN = "open"
"""Below the key of a samples folder: what it holds before it is committed as a whole."""
_NOTES = "attempt-*/attempt.json"
_PAGE = 1000
"""The keys that one request lists."""
_THREADS = 8


class RemoteParts:
    """The objects of one samples folder that is being written; see `SharedParts`.

    Args:
        objects: below `runs_dir`.
        key: of the samples folder.
        folder: the same on this disk, written by this process alone.
    """

    def __init__(self, objects: Objects, key: str, folder: Path) -> None:
        self._objects, self._below, self._folder = objects, f"{key}/{OPEN}/", folder
        self._shared: set[str] = set()
        """Names of parts that are known to be there."""
        self._last: dict[str, str] = {}
        """The last part of each writer that was listed, by what their names begin with."""
        self._num_listed = 0

    def fetch(self) -> None:
        """Makes the manifest on this disk the one that is shared, and brings the parts that may count here."""
        names = self._list("")
        entries = {name for name in names if name.startswith(f"{MANIFEST}/")}
        if not entries:
            return
        (self._folder / MANIFEST).mkdir(exist_ok=True)
        for entry in (self._folder / MANIFEST).glob("*.json"):
            if f"{MANIFEST}/{entry.name}" not in entries:
                entry.unlink()
        for name in sorted(entries):
            document = self._objects.read(self._below + name)
            if document is not None:  # else another driver has just made it useless
                write_text(self._folder / name, document.body.decode().splitlines()[0])
        listing = Manifest(self._folder).read()
        self._download(name for name in names - entries if _may_count(name, listing))

    def fetch_new(self, start: int) -> None:
        """Brings the parts here that engines on other machines have written since.

        One request lists them all while they are few; then only what each writer has added is listed.
        """
        below = f"attempt-{start:04d}/"
        names = self._list(below) if self._num_listed < _PAGE else self._list_added(f"{below}part-")
        self._num_listed = max(self._num_listed, len(names))
        parts = [name for name in names if name.endswith(".parquet")]
        for name in sorted(parts, key=lambda name: (len(name), name)):  # by number, which may have more digits
            self._last[name.rpartition("-")[0]] = name
        self._download(parts)

    def append(self, entry: Path, text: str, adds: Iterable[str]) -> bool:
        """Shares an entry under its number, and before it the parts that it adds."""
        notes = sorted(self._folder.glob(_NOTES))[-1:]
        missing = [name for name in adds if name not in self._shared]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(self.uploader(), [*(self._folder / name for name in missing), *notes]))
        self._shared.update(missing)
        # The second line makes it another one than any other driver's, so that each knows its own.
        body = f'{text}\n{{"write": "{uuid.uuid4().hex}"}}\n'
        name = f"{MANIFEST}/{entry.name}"
        if self._objects.create(self._below + name, body.encode()) is None:
            return False
        if max(self._list(f"{MANIFEST}/")) == name:
            return True
        self._objects.delete([self._below + name])  # the number was used long ago, and its entry forgotten
        return False

    def forget(self, entries: Iterable[Path]) -> None:
        """Deletes entries that nobody reads any more."""
        self._objects.delete(f"{self._below}{MANIFEST}/{entry.name}" for entry in entries)

    def uploader(self) -> Callable[[Path], None]:
        """Returns what shares a part, on whichever machine an engine writes it."""
        return functools.partial(_upload, self._objects, self._below)

    def _list_added(self, below: str) -> set[str]:
        """Lists what the writers of parts have added; each sends its parts in the order of their numbers."""
        writers = [key.removeprefix(self._below) for key in self._objects.beginnings(self._below + below, "-")]
        with ThreadPoolExecutor(_THREADS) as pool:
            return set().union(*pool.map(lambda writer: self._list(writer, self._after(writer)), writers))

    def _after(self, writer: str) -> str:
        """Returns the part after which the next ones of a writer are found."""
        last = self._last.get(writer.rstrip("-"), "")
        digits = last.rpartition("-")[2].removesuffix(".parquet")
        return "" if set(digits) <= {"9"} else last  # the next number has another digit, and is before this one

    def _list(self, below: str, after: str = "") -> set[str]:
        begins = self._below + after if after else ""
        names = {key.removeprefix(self._below) for key, _ in self._objects.listed(self._below + below, begins)}
        self._shared.update(name for name in names if name.endswith(".parquet"))
        return names

    def _download(self, names: Iterable[str]) -> None:
        missing = [name for name in names if not (self._folder / name).exists()]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(self._bring, missing))

    def _bring(self, name: str) -> None:
        """Fetches one file, which is whole when it has its name."""
        require_inside(name, where=self._objects.url(self._below))
        file = self._folder / name
        file.parent.mkdir(exist_ok=True)
        temporary = file.with_name(f"{file.name}.tmp")
        self._objects.download(self._below + name, temporary)
        temporary.rename(file)


def _upload(objects: Objects, below: str, file: Path) -> None:
    objects.upload(below + part_name(file), file)


def _may_count(name: str, listing: Listing) -> bool:
    """Tells whether a file is a part that counts or may be listed yet, or a note of a start."""
    return not name.endswith(".parquet") or name in listing.parts or not is_over(name, listing)

"""The files of one finished folder, as objects that are named after what they hold.

    RUNS/store/samples/3f2a.../files/9c41...   a file, under the SHA-256 of its content

In: a finished folder on this disk; or its content as `send` returned it. Out: the objects, and the folder on another
disk. An object that is there is the right one, so that sending a folder twice, or two drivers sending it at once, does
no harm; it counts when a manifest names it (engine/storage/remote/store.py).
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from engine.errors import UserError
from engine.storage.files import fsync_folder, fsync_tree, write_text
from engine.storage.manifest import MANIFEST
from engine.storage.remote.address import require_inside
from engine.storage.remote.objects import Objects
from engine.storage.remote.parts import OPEN
from engine.storage.store import DONE

Files = Mapping[str, tuple[str, int]]
"""SHA-256 and bytes of each file, by its path in the folder."""
_FILES = "files"
FETCHED = ".fetched"
"""The ending of a folder that is being fetched, beside the one that it will be; what a kill left keeps that name."""
_THREADS = 8
"""The files that are on their way at a time; a large one is in several pieces besides."""
_PARTS = ".parquet"
"""The ending of files that are never changed once they have their name."""
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class RemoteFolder:
    """The objects of one folder of the store.

    Args:
        objects: below `runs_dir`.
        key: of the folder.
        path: the same on this disk, which this process alone changes.
    """

    objects: Objects
    key: str
    path: Path

    def send(self) -> tuple[Files, list[str]]:
        """Makes an object of each file that has none.

        Returns:
            The files, and the keys of what only earlier attempts needed: to be deleted once the files are committed.
        """
        there = dict(self.objects.listed(f"{self.key}/{_FILES}/"))
        parts = dict(self.objects.listed(f"{self.key}/{OPEN}/"))
        paths = sorted(file for file in self.path.rglob("*") if file.is_file() and file != self.path / DONE)
        digests = _at_once(_sha256, paths)
        files = {
            path.relative_to(self.path).as_posix(): (digits, path.stat().st_size)
            for path, digits in zip(paths, digests, strict=True)
        }
        named = {digits: (name, size) for name, (digits, size) in files.items()}  # what is twice there is sent once
        missing = [name for digits, (name, size) in named.items() if there.get(self._key_of(digits)) != size]
        _at_once(functools.partial(self._send, files, parts), missing)
        return files, self._useless(there, parts, named)

    def leftovers(self, files: Files) -> list[str]:
        """Lists what only attempts needed that came before a commit.

        Args:
            files: what was committed, as `send` returned them.
        """
        there, parts = (dict(self.objects.listed(f"{self.key}/{name}/")) for name in (_FILES, OPEN))
        return self._useless(there, parts, {digits for digits, _ in files.values()})

    def has_parts(self) -> bool:
        """Tells whether there are parts of attempts; one small request where there are none."""
        return any(True for _ in self.objects.listed(f"{self.key}/{OPEN}/attempt-"))

    def _useless(self, there: Collection[str], parts: Collection[str], digests: Collection[str]) -> list[str]:
        """Lists files that no digest names, and what was open, but for the last entry of its manifest.

        A driver that slept meanwhile finds its next number used, and ends; without it, it would generate to the end.
        """
        needed = {self._key_of(digits) for digits in digests}
        last = max((key for key in parts if key.startswith(f"{self.key}/{OPEN}/{MANIFEST}/")), default="")
        return [key for key in (*there, *parts) if key not in needed and key != last]

    def _send(self, files: Files, parts: Mapping[str, int], name: str) -> None:
        """Sends one file, inside the store where it was shared as a part before."""
        digits, size = files[name]
        part = f"{self.key}/{OPEN}/{name}"
        if name.endswith(_PARTS) and parts.get(part) == size:
            self.objects.copy(part, self._key_of(digits))
        else:
            self.objects.upload(self._key_of(digits), self.path / name)

    def fetch(self, files: Files, before: Callable[[], None]) -> None:
        """Puts the committed folder in the place of whatever is here.

        Args:
            files: as `send` returned them.
            before: called when all is here, before the folder changes.

        Raises:
            UserError: an object holds something else, or a name leads out of the folder.
        """
        fetched = self.path.with_name(f".{self.path.name}{FETCHED}")
        if fetched.exists():
            shutil.rmtree(fetched)
        fetched.mkdir(parents=True)
        _at_once(lambda name: self._fetch(files[name][0], fetched, name), files)
        fsync_tree(fetched)
        write_text(fetched / DONE, "")
        before()
        if self.path.exists():
            shutil.rmtree(self.path)
        fetched.rename(self.path)
        fsync_folder(self.path.parent)

    def _fetch(self, digits: str, folder: Path, name: str) -> None:
        """Fetches one file, and compares what it holds with the name of its object."""
        where = self.objects.url(self._key_of(digits))
        require_inside(name, where=where)
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        self.objects.download(self._key_of(digits), file)
        if _sha256(file) != digits:
            remedy = f"delete {self.objects.url(self.key)}: the next run that needs it makes it anew"
            raise UserError("does not hold what was committed", where=where, remedy=remedy)

    def _key_of(self, digits: str) -> str:
        return f"{self.key}/{_FILES}/{digits}"


def _at_once(function: Callable[[T], R], values: Iterable[T]) -> list[R]:
    """Calls a function for each value, some at a time; the first error ends it."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(function, values))


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

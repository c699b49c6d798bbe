"""Content digests of files and folders, remembered by path so that a rerun reads nothing twice.

In: a path. Out: 16 hex digits that change when any byte or any relative file name below it changes. What is
remembered holds while size and ctime stay (unlike mtime, ctime cannot be set back). A file that changed a moment
ago is not remembered: one tick of the file system's clock could hide another change. (Git calls it racy.)
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from engine.storage.files import write_text

CACHE = Path(os.environ.get("SYNTHMILL_CACHE", "~/.cache/synthmill")).expanduser()
"""Per-user cache: converted models and remembered digests. Never holds results."""

_CHUNK_BYTES = 1 << 20
_SETTLED_NANOSECONDS = 2 * 10**9
"""A file that has not changed for this long may be remembered: more than one tick of any file system's clock."""


def content_digest(path: Path) -> str:
    """Returns 16 hex digits for one file, or for every file below a folder together with its relative name.

    A file that may not be read counts as the text "unreadable"; whoever needs its content reports it.
    """
    if path.is_file():
        return file_digests([path])[0]
    return listing_digest(path, sorted(file for file in path.rglob("*") if file.is_file()))


def listing_digest(root: Path, files: Sequence[Path]) -> str:
    """Returns 16 hex digits for these files below a folder, in this order, each with its relative name.

    Whoever reads some of a folder's files hands in the list that it reads, so that no other file changes the digest.
    """
    names = (file.relative_to(root).as_posix() for file in files)
    lines = "".join(f"{name}\0{digits}\n" for name, digits in zip(names, file_digests(files), strict=True))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def file_digests(files: Sequence[Path]) -> list[str]:
    """Returns 16 hex digits for each file, whatever its name.

    A file that may not be read, and a link that leads nowhere, count as the texts "unreadable" and "missing".
    """
    memory = _Memory(CACHE / "digests.json")
    digests = [memory.digest(file) for file in files]
    memory.save()
    return digests


class _Memory:
    """The digests that earlier calls computed, by path, in one JSON file; a damaged file counts as empty."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.changed = False
        try:
            known = json.loads(file.read_text())
        except (FileNotFoundError, ValueError):
            known = {}
        self.known: dict[str, list[int | str]] = known if isinstance(known, dict) else {}
        """Size in bytes, ctime in nanoseconds and digest, by resolved path."""

    def digest(self, file: Path) -> str:
        """Returns the digest of a file, from memory where size and ctime are still the same."""
        try:
            stat, key = file.stat(), str(file.resolve())
        except FileNotFoundError:
            return "missing"  # a link that leads nowhere: the reader says so, with its name
        state = [stat.st_size, stat.st_ctime_ns]
        known = self.known.get(key, [])
        if known[:2] == state:
            return str(known[2])
        digits = _hash(file)
        if time.time_ns() - stat.st_ctime_ns > _SETTLED_NANOSECONDS:
            self.known[key] = [*state, digits]
            self.changed = True
        return digits

    def save(self) -> None:
        """Writes the memory, if it changed."""
        if not self.changed:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.file, json.dumps(self.known))


def _hash(file: Path) -> str:
    hasher = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                hasher.update(chunk)
    except PermissionError:
        return "unreadable"  # whoever reads it says so, with the file's name
    return hasher.hexdigest()[:16]


def digest(value: object, length: int = 16) -> str:
    """Returns `length` hex digits of SHA-256 over a value as JSON.

    The order of a mapping counts, since a plan's draws depend on it.
    """
    text = json.dumps(value, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]

"""The manifest of a samples folder: the list of parts that count, which one driver at a time may lengthen.

    samples/manifest/00000001.json    the first entry of the first start: a snapshot
    samples/manifest/00000002.json    parts that were added since, and parts that were dropped

In: entries. Out: what they list together. An entry is made under a number that nobody has used: written beside its
place, synced, and hard-linked to its name, which fails where the name exists (an object store has put-if-absent for
it). So of two drivers that both believe they own the folder only one gets the next number; the other is fenced. The
first entry of a start is a *snapshot*, all that counts at that moment: with this one write it takes the folder over
and closes the epochs of all earlier starts. Others follow now and then, so that reading is: the last snapshot, and
the entries after it. Nothing here relies on renaming, on locks, or on a clock.
"""

from __future__ import annotations

import errno
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import BrokenInvariantError, UserError
from engine.storage.files import fsync_folder
from engine.storage.shared_parts import SharedParts

MANIFEST = "manifest"
"""The folder of the entries, inside a samples folder."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class FencedError(UserError):
    """Another start of the run has taken a samples folder over: whoever meets this lists and commits nothing more."""

    def __init__(self, where: str) -> None:
        remedy = "let that one finish, or stop it and start this run again: what was committed is kept"
        super().__init__("another start of this run has taken over", where=where, remedy=remedy)

    def __reduce__(self) -> tuple[object, ...]:
        return FencedError, (self.where,)


@dataclass(frozen=True)
class Entry:
    """What one write says. Parts are named by their path in the samples folder."""

    start: int
    """Which start of the driver wrote it, from 1."""
    adds: Mapping[str, int] = field(default_factory=dict)
    """Rows of each part that counts from now on; of a snapshot all that count."""
    drops: Sequence[str] = ()
    """Parts that count no more, because an added one holds their rows."""
    closes: Sequence[str] = ()
    """Writers of this start (`e3` is engine 3) whose later parts never count; of a snapshot all of them."""
    snapshot: bool = False
    """Whether nothing before it matters any more."""
    ids: str = ""
    """Of a snapshot: the ids of all rows of the parts that count, as the driver packs them."""


@dataclass
class Listing:
    """What the entries of a manifest say together; that of a folder without one has the number 0."""

    number: int = 0
    """Of the last entry."""
    snapshot: int = 0
    """Number of the last snapshot."""
    start: int = 0
    """Which start of the driver owns the folder."""
    parts: dict[str, int] = field(default_factory=dict)
    """Rows of every part that counts, in the order in which they were listed."""
    closed: set[str] = field(default_factory=set)
    """Writers of that start whose epoch is closed."""
    ids: str = ""
    """What the last snapshot says of ids."""
    covered: set[str] = field(default_factory=set)
    """Parts whose ids are among `ids`."""

    def take(self, number: int, entry: Entry) -> None:
        """Adds the next entry."""
        if entry.snapshot:
            self.parts, self.closed = {}, set()
            self.snapshot, self.ids, self.covered = number, entry.ids, set(entry.adds)
        self.number, self.start = number, entry.start
        self.parts.update(entry.adds)
        for name in entry.drops:
            del self.parts[name]
        self.closed.update(entry.closes)


class Manifest:
    """The entries of one samples folder.

    Args:
        folder: the samples folder.
        shared: of a folder that is shared through more than this disk, for who writes entries.
    """

    def __init__(self, folder: Path, shared: SharedParts | None = None) -> None:
        self.path, self._shared = folder / MANIFEST, shared

    def read(self) -> Listing:
        """Reads what counts; while a driver writes, as of some moment during the call.

        Raises:
            BrokenInvariantError: an entry is missing or cannot be read.
        """
        while True:
            numbers = self._numbers()
            try:
                return self._read(numbers)
            except FileNotFoundError:  # entries that a newer snapshot has made useless were deleted meanwhile
                continue
            except BrokenInvariantError:
                if self._numbers() == numbers:
                    raise
                # Of entries that are made while a folder is listed, the list may have a later one without the earlier.

    def _read(self, numbers: Sequence[int]) -> Listing:
        later: list[tuple[int, Entry]] = []
        for number in reversed(numbers):
            if later and later[-1][0] != number + 1:
                break
            later.append((number, self._entry(number)))
            if later[-1][1].snapshot:
                listing = Listing()
                for following, entry in reversed(later):
                    listing.take(following, entry)
                return listing
        if numbers:
            raise BrokenInvariantError(f"{self.path} has lost entries: there is no snapshot before {later[-1][0]}")
        return Listing()

    def append(self, number: int, entry: Entry) -> bool:
        """Writes an entry under its number, which lasts when this returns.

        Returns:
            Whether it is written: not where another driver has used this number, or a higher one.

        Raises:
            UserError: the file system cannot give a file a second name.
        """
        self.path.mkdir(exist_ok=True)
        if max(self._numbers(), default=0) >= number:  # low numbers are deleted in time, so a free one proves nothing
            return False
        text = json.dumps(vars(entry))
        if self._shared and not self._shared.append(self._file(number), text, entry.adds):
            return False
        # No name of tempfile's: its files are for their owner alone, and a store may be shared.
        temporary = self.path / f"{number:08d}.{uuid.uuid4().hex}.tmp"
        try:
            with temporary.open("x", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            is_written = _link(temporary, self._file(number))
        finally:
            temporary.unlink(missing_ok=True)
        fsync_folder(self.path)
        fsync_folder(self.path.parent)
        # Between the look above and the link others may have used this number and deleted it again.
        return is_written and max(self._numbers()) == number

    def forget_before(self, number: int) -> None:
        """Deletes the entries before a snapshot that is not the last: readers that began long ago may still need it."""
        useless = [self._file(earlier) for earlier in self._numbers() if earlier < number]
        for file in useless:
            file.unlink(missing_ok=True)
        if self._shared and useless:
            self._shared.forget(useless)

    def remove_leftovers(self, up_to: int) -> None:
        """Deletes what killed writes of numbers up to `up_to`, which are used, have left."""
        for leftover in self.path.glob("*.tmp"):
            if int(leftover.name.partition(".")[0]) <= up_to:
                leftover.unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        return sorted(int(file.stem) for file in self.path.glob("*.json"))

    def _file(self, number: int) -> Path:
        return self.path / f"{number:08d}.json"

    def _entry(self, number: int) -> Entry:
        text = self._file(number).read_text(encoding="utf-8")
        try:
            return Entry(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise BrokenInvariantError(f"{self._file(number)} is no entry of a manifest: {error}") from error


def _link(temporary: Path, name: Path) -> bool:
    """Gives a file a second name unless that is taken; returns whether it has it."""
    try:
        try:
            os.link(temporary, name)
        except FileExistsError:
            # NFS repeats a request whose answer was lost, and the repetition then meets what the first one made. The
            # number of links does not tell: NFS remembers the old one for seconds, and others may link files too.
            return temporary.samefile(name)
    except FileNotFoundError:  # the driver that has taken over has cleared the file away
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        raise UserError(
            f"the file system makes no hard links ({error.strerror}), by which one run at a time writes samples",
            where=str(name.parent),
            remedy="set runs_dir to a folder on another file system",
        ) from error
    return True

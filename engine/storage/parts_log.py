"""The driver's hand on a samples folder: it takes the folder over, lists parts, and closes epochs.

In: parts that engines, or the driver itself, wrote under this start. Out: entries of the manifest
(engine/storage/manifest.py), and the set of ids that count. A start that begins lists what the last one wrote and
nobody had listed yet, so that it loses nothing, and closes every earlier epoch with the same write. An engine that is
given up has its epoch closed likewise: what it has written by then is listed, and its other rows can be handed on, for
whatever it writes later never counts, be it dead, slow or out of reach.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from engine.storage.files import fsync_folder
from engine.storage.ids import Ids, IdSet
from engine.storage.manifest import Entry, FencedError, Listing, Manifest
from engine.storage.parts import (
    attempt_folder,
    committed_ids,
    ignored_files,
    is_over,
    part_file,
    part_ids,
    part_name,
    read_listing,
    whole_part_runs,
    writer_of,
)
from engine.storage.shared_parts import SharedParts

_SNAPSHOT_ENTRIES = 256
"""So many entries follow a snapshot at most: what a reader opens, and how long a snapshot of 40,000 parts is spread."""
_RETRY_SECONDS = 0.05
_LATE_SECONDS = 90.0
"""How late a part may be seen that an engine on another machine has written: NFS remembers folders for a minute."""
_LOOK_SECONDS = 1.0


class PartsLog:
    """One start of the driver on one samples folder. `take_over` makes it.

    Args:
        folder: the samples folder.
        listing: what its manifest says; this start wrote the last entry.
        committed: the ids of all rows that count.
        shared: where the folder is shared through more than this disk.
    """

    def __init__(self, folder: Path, listing: Listing, committed: IdSet, shared: SharedParts | None = None) -> None:
        self.folder, self.committed, self.shared = folder, committed, shared
        self._listing, self._manifest = listing, Manifest(folder, shared)
        self._numbers: dict[str, int] = {}
        self._listed_at = time.monotonic()

    @classmethod
    def take_over(cls, folder: Path, size: int, shared: SharedParts | None = None) -> PartsLog:
        """Begins a start: fences off all earlier ones, and lists what the last one had not listed yet.

        What a closed epoch left on the disk and no manifest lists is deleted.

        Args:
            folder: the samples folder.
            size: ids of the plan are below it.
            shared: where the folder is shared through more than this disk.
        """
        manifest = Manifest(folder, shared)
        while True:
            if shared:
                shared.fetch()
            listing = read_listing(folder)
            before = listing.snapshot
            try:
                committed = read_committed(folder, listing, size)
            except FileNotFoundError:  # a driver that is not fenced yet has just merged that part with others
                if manifest.read().number == listing.number:
                    raise
                continue
            waiting = _take_fitting(folder, _waiting(folder, listing), committed)
            entry = Entry(listing.start + 1, listing.parts | waiting, snapshot=True, ids=committed.pack())
            number = listing.number + 1
            if manifest.append(number, entry):
                break
            time.sleep(_RETRY_SECONDS)  # a driver that is not fenced yet was quicker: what it listed counts
        listing.take(number, entry)
        manifest.remove_leftovers(number)
        manifest.forget_before(before)
        log = cls(folder, listing, committed, shared)
        log.attempt_folder.mkdir()
        fsync_folder(folder)
        log.clear()
        return log

    @property
    def start(self) -> int:
        """Returns the number of this start, from 1."""
        return self._listing.start

    @property
    def attempt_folder(self) -> Path:
        """Returns where engines of this start, and the driver itself, write parts."""
        return attempt_folder(self.folder, self.start)

    @property
    def parts(self) -> dict[Path, int]:
        """Returns rows of every part that counts, in the order of their names."""
        return {self.folder / name: self._listing.parts[name] for name in sorted(self._listing.parts)}

    def new_part(self, writer: str) -> Path:
        """Returns a file for a part that the driver writes itself, under a name that was never used.

        Args:
            writer: a word for what it holds.
        """
        number = self._numbers.get(writer, 0)
        self._numbers[writer] = number + 1
        return part_file(self.attempt_folder, writer, number)

    def list_new(self, every_seconds: float = 0.0) -> None:
        """Lists the parts of this start that are not listed, unless that was done so many seconds ago.

        Raises:
            FencedError: another start has taken over.
        """
        if time.monotonic() - self._listed_at >= every_seconds:
            self._list()
            self._listed_at = time.monotonic()

    def list_rest(self, num_rows: int) -> None:
        """Lists the parts of this start that are not listed, and waits a while for those that are not seen yet.

        Args:
            num_rows: how many rows count once all is listed, as far as engines have reported.

        Raises:
            FencedError: another start has taken over.
        """
        self.list_new()
        deadline = time.monotonic() + _LATE_SECONDS
        while len(self.committed) < num_rows and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            self.list_new()

    def close_engine(self, index: int) -> Ids:
        """Lists what an engine has written by now, and closes its epoch: nothing of it is listed ever after.

        Returns:
            The sorted ids of all its rows that count.

        Raises:
            FencedError: another start has taken over.
        """
        self._list(closes=(f"e{index}",))
        return committed_ids(
            self.folder / name for name in self._listing.parts if writer_of(name) == (self.start, f"e{index}")
        )

    def put_in_place(self, part: Path, rows: int, replaced: Sequence[Path]) -> None:
        """Lists a part of this start instead of those whose rows it holds, in one write, and deletes them.

        Raises:
            FencedError: another start has taken over; nothing is deleted then.
        """
        self._write(adds={part_name(part): rows}, drops=[part_name(old) for old in replaced])
        delete_files(replaced)

    def clear(self) -> None:
        """Deletes what earlier starts, and engines that were given up, have left and nobody will ever list.

        Raises:
            FencedError: another start has taken over; files that it is writing at this moment would be deleted too.
        """
        if self._manifest.read().number != self._listing.number:
            raise FencedError(str(self.folder))
        earlier = [file for file in self.folder.glob("attempt-*/*.tmp") if file.parent != self.attempt_folder]
        leftovers = {*earlier, *self.folder.glob("*.tmp"), *ignored_files(self.folder, is_done=False)}
        delete_files(sorted(leftovers))

    @contextlib.contextmanager
    def naming_who_took_over(self) -> Iterator[None]:
        """Turns a file that is missing inside the block into a FencedError where that is the reason.

        A newer start clears away what this one has half written, and deletes parts that it has merged.
        """
        try:
            yield
        except FileNotFoundError as error:
            if self._manifest.read().number == self._listing.number:
                raise
            raise FencedError(str(self.folder)) from error

    def _list(self, closes: Sequence[str] = ()) -> None:
        if self.shared:
            self.shared.fetch_new(self.start)
        adds = _take_fitting(self.folder, _waiting(self.folder, self._listing), self.committed)
        if adds or closes:
            self._write(adds, closes=closes)

    def _write(self, adds: Mapping[str, int], drops: Sequence[str] = (), closes: Sequence[str] = ()) -> None:
        number, before = self._listing.number + 1, self._listing.snapshot
        entry = Entry(self.start, adds, drops, closes)
        is_full = number - before >= _SNAPSHOT_ENTRIES
        if is_full:
            entry = self._snapshot_with(entry)
        if not self._manifest.append(number, entry):
            raise FencedError(str(self.folder))
        self._listing.take(number, entry)
        if is_full:
            self._manifest.forget_before(before)

    def _snapshot_with(self, entry: Entry) -> Entry:
        """Returns a snapshot of what counts once an entry is written."""
        parts = {**self._listing.parts, **entry.adds}
        for name in entry.drops:
            del parts[name]
        closed = sorted(self._listing.closed.union(entry.closes))
        return Entry(self.start, parts, closes=closed, snapshot=True, ids=self.committed.pack())


def read_committed(folder: Path, listing: Listing, size: int) -> IdSet:
    """Reads the ids of all rows that count: those that the last snapshot names, and what was added since.

    Args:
        folder: the samples folder.
        listing: what its manifest says.
        size: ids of the plan are below it.
    """
    committed = IdSet.unpack(size, listing.ids)
    for name in listing.parts.keys() - listing.covered:
        committed.include(part_ids(folder / name))  # the ids of a merged part are there already
    return committed


def delete_files(files: Sequence[Path]) -> None:
    """Deletes parts that do not count, and makes that last; one that is gone already is no matter."""
    for file in files:
        file.unlink(missing_ok=True)
    for parent in {file.parent for file in files}:
        fsync_folder(parent)


def _waiting(folder: Path, listing: Listing) -> list[str]:
    """Returns the parts on the disk that are not listed and may be: of the present start, and of no closed writer."""
    attempt = attempt_folder(folder, listing.start)
    if not attempt.exists():
        return []
    with os.scandir(attempt) as entries:  # 40,000 entries every few seconds
        names = [f"{attempt.name}/{entry.name}" for entry in entries if entry.name.endswith(".parquet")]
    return sorted(name for name in names if name not in listing.parts and not is_over(name, listing))


def _take_fitting(folder: Path, names: Iterable[str], committed: IdSet) -> dict[str, int]:
    """Finds the parts whose ids are all new, and adds these to the set; returns the rows of each part.

    A part that holds an id which counts already is left out whole, and its other ids are done again: a merged part that
    was not put in place, or the work of an engine that was given up and came back. So is one that is not whole.

    Args:
        folder: the samples folder.
        names: of parts.
        committed: ids that count.
    """
    taken: dict[str, int] = {}
    for name in names:
        runs = whole_part_runs(folder / name)
        if runs is not None and not committed.overlaps(runs):
            committed.add_runs(runs)
            taken[name] = int(runs[1].sum())
    return taken

"""Parts: files of finished samples, of which those count that the manifest lists.

    samples/manifest/00000007.json                what counts (engine/storage/manifest.py)
    samples/attempt-0002/part-e1-00003.parquet    the fourth part of engine 1 in the second start of the driver
    samples/attempt-0002/part-merged-00000.parquet    written by that start itself, in place of smaller ones

Whoever writes has an epoch of its own, a start of the driver and a writer in it, and with it names that nobody else
uses. It writes `*.tmp`, syncs, and renames, so that a part is whole; but a part **counts only when the manifest lists
it**, and only the driver lists (engine/storage/parts_log.py). So an engine left over from a killed driver, or one that
was out of reach and comes back, may write what it likes: nobody reads it. Each part carries its ids, compressed, in
its footer: they are read without the rows.

In: rows of finished samples. Out: parts, and what the listed ones hold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import BrokenInvariantError, UserError
from engine.storage.files import fsync_folder
from engine.storage.ids import Ids, IdSet, Runs, ids_of, pack_ids, unpack_runs
from engine.storage.manifest import FencedError, Listing, Manifest

IDS_KEY = b"synthmill.sample_ids"
"""Key of a part's footer: the sample ids of its rows, as `ids.pack_ids` packs them."""
PIECE_BYTES = 1 << 28
"""Rows are put together to pieces of about this many bytes at most: an Arrow column of strings ends at 2 GiB."""
_PART = re.compile(r"attempt-(\d+)/part-([a-z]+\d*)-\d+\.parquet(\.tmp)?")


def attempt_folder(folder: Path, start: int) -> Path:
    """Returns where everything is written that belongs to one start of the driver."""
    return folder / f"attempt-{start:04d}"


def part_file(attempt: Path, writer: str, number: int) -> Path:
    """Returns the file of the part with this number of one writer; `e3` is engine 3."""
    return attempt / f"part-{writer}-{number:05d}.parquet"


class PartWriter:
    """The one open part of one engine: rows in the order of completion, committed together.

    Args:
        attempt: the folder of this start of the driver.
        engine: the number of the engine, part of the name of every part it commits.
        schema: of the rows.
        first_number: the number of the engine's first part here.
    """

    def __init__(self, attempt: Path, engine: int, schema: pa.Schema, first_number: int = 0) -> None:
        self._attempt, self._writer, self._schema = attempt, f"e{engine}", schema
        self._number = first_number
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: dict[str, Any]) -> None:
        """Adds a row, a value for each column of the schema, to the open part."""
        self._rows.append(row)

    def commit(self) -> Path | None:
        """Makes a part of the open rows, for the driver to list, and opens the next.

        Returns:
            The part, or None when there is no open row.

        Raises:
            FencedError: another start of the driver has taken over. Parts written after that would not count; that
                they are not written either saves the work.
        """
        if not self._rows:
            return None
        part = part_file(self._attempt, self._writer, self._number)
        if part.exists():
            raise BrokenInvariantError(f"part {part} exists: two engines share the name {self._writer}")
        if next_attempt(self._attempt).exists():
            raise FencedError(str(self._attempt))
        try:
            write_part(part, pa.Table.from_pylist(self._rows, schema=self._schema))
        except FileNotFoundError as error:  # a newer start, or `clean`, has cleared the file away half written
            raise FencedError(str(self._attempt)) from error
        self._number += 1
        self._rows = []
        return part


def next_attempt(attempt: Path) -> Path:
    """Returns the folder that the next start of the driver makes."""
    return attempt_folder(attempt.parent, int(attempt.name.removeprefix("attempt-")) + 1)


def write_part(part: Path, table: pa.Table) -> None:
    """Writes a table as one part, its ids in the footer: it is written beside, synced, renamed, and the folder synced.

    Args:
        part: the file to be made; its folder exists.
        table: has a column `sample_id` of distinct ids.
    """
    metadata = (table.schema.metadata or {}) | {IDS_KEY: pack_ids(distinct_ids(part, table["sample_id"].to_numpy()))}
    temporary = part.with_suffix(".parquet.tmp")
    with temporary.open("wb") as stream:
        pq.write_table(table.replace_schema_metadata(metadata), stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(part)
    fsync_folder(part.parent)


def distinct_ids(part: Path, ids: Ids) -> Ids:
    """Sorts the ids of a part; an id twice is a broken invariant, named with the part."""
    ids = np.sort(ids)
    if not (np.diff(ids) > 0).all():
        raise BrokenInvariantError(f"part {part.name} holds an id twice")
    return ids


def row_groups(parts: Iterable[Path], at_least: int) -> Iterator[pa.Table]:
    """Gives the rows of parts in their order, in tables of `at_least` rows or a little more; the last may be smaller.

    So are those of long texts, which end at `PIECE_BYTES`. One row group of a part is read at a time, so that large
    parts need not fit into memory.
    """
    pieces = Pieces(at_least)
    for part in parts:
        with pq.ParquetFile(part, pre_buffer=False) as file:
            for index in range(file.num_row_groups):
                yield from pieces.add(file.read_row_group(index).replace_schema_metadata(None))
    yield from pieces.rest()


class Pieces:
    """Puts tables together until they have enough rows, or so many bytes that more would be too large a piece.

    Args:
        rows: how many are enough.
    """

    def __init__(self, rows: int) -> None:
        self._enough = rows
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def add(self, table: pa.Table) -> Iterator[pa.Table]:
        """Adds rows; yields what waits as one table if it is enough."""
        self._waiting.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        if self._rows >= self._enough or self._bytes >= PIECE_BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[pa.Table]:
        """Yields what waits, if anything does."""
        if self._waiting:
            whole = pa.concat_tables(self._waiting).combine_chunks()
            self._waiting, self._rows, self._bytes = [], 0, 0
            yield whole


def part_runs(part: Path) -> Runs:
    """Reads the sample ids of a part, as runs, from its footer alone."""
    metadata = pq.read_metadata(part).metadata
    if IDS_KEY not in (metadata or {}):
        raise BrokenInvariantError(f"{part} has no ids in its footer")
    return unpack_runs(metadata[IDS_KEY])


def whole_part_runs(part: Path) -> Runs | None:
    """Reads the sample ids of what may be a part; None where it is not whole, not ours, or gone."""
    try:
        return part_runs(part)
    except (pa.ArrowInvalid, BrokenInvariantError, FileNotFoundError):
        return None
    except OSError as error:
        if error.errno is None:  # how Arrow says that a footer makes no sense; a disk that fails has a number
            return None
        raise


def part_ids(part: Path) -> Ids:
    """Reads the sample ids of a part, ascending, from its footer alone."""
    return ids_of(part_runs(part))


def part_name(part: Path) -> str:
    """Returns the name of a part within its samples folder, as in `attempt-0001/part-e0-00000.parquet`."""
    return f"{part.parent.name}/{part.name}"


def writer_of(name: str) -> tuple[int, str]:
    """Returns the epoch of a part, or of one half written: the start of the driver, and which writer of it."""
    match = _PART.fullmatch(name)
    if not match:
        raise BrokenInvariantError(f"{name} is no name of a part")
    return int(match[1]), match[2]


def read_listing(folder: Path) -> Listing:
    """Reads the manifest of a samples folder; empty where no start has begun.

    Raises:
        UserError: an older version wrote the folder, whose parts counted without being listed.
    """
    listing = Manifest(folder).read()
    if not listing.number and any(folder.glob("attempt-*")):
        raise UserError(
            "its samples were written by an older version of synthmill, which kept no manifest of them",
            where=str(folder),
            remedy="read it with that version, or start the run again, which makes its samples anew",
        )
    return listing


def committed_parts(folder: Path) -> list[Path]:
    """Returns all parts of a samples folder that count, in the order of their names; see `read_listing`."""
    return [folder / name for name in sorted(read_listing(folder).parts)]


def ignored_files(folder: Path, *, is_done: bool) -> list[Path]:
    """Returns the parts on the disk that do not count and never will, half written ones included.

    Args:
        folder: a samples folder with a manifest.
        is_done: whether its step has finished. Where it has not, what the last start wrote and nobody has listed yet is
            left out: the next start takes it over.
    """
    listing = Manifest(folder).read()
    found = sorted(folder.glob("attempt-*/part-*.parquet")) + sorted(folder.glob("attempt-*/part-*.parquet.tmp"))
    unlisted = [part for part in found if part_name(part) not in listing.parts]
    return [part for part in unlisted if is_done or is_over(part_name(part), listing)]


def is_over(name: str, listing: Listing) -> bool:
    """Tells whether the epoch of a part is closed: what is not listed of it will never be."""
    start, writer = writer_of(name)
    return start != listing.start or writer in listing.closed


def committed_set(parts: Iterable[Path], size: int) -> IdSet:
    """Reads the ids of all rows in `parts` as a set below `size`; an id in two of them is a broken invariant."""
    committed = IdSet(size)
    for part in parts:
        committed.add_runs(part_runs(part))
    return committed


def committed_ids(parts: Iterable[Path]) -> Ids:
    """Reads the sorted ids of all rows in `parts`; an id in two of them is a broken invariant."""
    ids_by_part = [part_ids(part) for part in parts]
    ids = np.sort(np.concatenate(ids_by_part)) if ids_by_part else np.empty(0, np.int64)
    if not (np.diff(ids) > 0).all():
        raise BrokenInvariantError(f"sample {ids[:-1][np.diff(ids) == 0][:1]} is in two committed parts")
    return ids

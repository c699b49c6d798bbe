"""Committed parts: how samples reach the disk exactly once, however often the run is killed.

    samples/attempt-0001/part-e0-00000.parquet      sealed: an earlier start of the driver
    samples/attempt-0002.open/part-e1-00003.parquet open: engines of this start still commit here

An engine writes `*.tmp`, fsyncs, and renames into the open folder; the rename is the commit. A driver that
starts seals every open folder by renaming it, and only then reads what is committed: an engine left over from
a killed driver finds its folder gone and cannot commit any more, so no id can be written twice. Each part
carries its ids, compressed, in its footer: resuming reads footers, never rows. A merged part
(`merged/part-00000.parquet`, engine/storage/merging.py) also names there the parts it replaces, which then no
longer count.

In: rows of finished samples. Out: parts, and what of a plan they hold. The rename is the only step that decides, so
there is no list of parts that could disagree with the folder.
"""

from __future__ import annotations

import base64
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import BrokenInvariantError
from engine.storage.files import fsync_folder
from engine.storage.ids import Ids, IdSet, Runs, ids_of, pack_ids, unpack_runs

MERGED = "merged"
"""Folder of the parts that replace many smaller ones."""
IDS_KEY = b"synthmill.sample_ids"
"""Key of a part's footer: the sample ids of its rows, as `ids.pack_ids` packs them."""
REPLACES_KEY = b"synthmill.replaces"
"""Key of a merged part's footer: the names of the parts that it replaces, as compressed JSON."""
_ATTEMPT = re.compile(r"attempt-(\d+)(\.open)?$")


class FencedError(RuntimeError):
    """A newer start of the driver has taken over; this engine must stop without committing."""


def seal_attempts(folder: Path) -> int:
    """Fences off the engines of earlier starts and removes what they left half-written.

    Returns:
        The number of this start: one more than the highest there is.
    """
    highest = 0
    for leftover in folder.glob("*.tmp"):
        leftover.unlink()
    for path in sorted(folder.iterdir()):
        match = _ATTEMPT.match(path.name)
        if not match:
            continue
        highest = max(highest, int(match[1]))
        sealed = path.rename(path.with_suffix("")) if match[2] else path
        for leftover in sealed.glob("*.tmp"):
            leftover.unlink()
    return highest + 1


def open_attempt(folder: Path, attempt: int) -> Path:
    """Makes the folder into which the engines of this start commit; `attempt` is what `seal_attempts` returned."""
    path = folder / f"attempt-{attempt:04d}.open"
    path.mkdir()
    return path


class PartWriter:
    """The one open part of one engine: rows in the order of completion, committed together.

    Args:
        attempt_folder: the folder of this start of the driver.
        engine: the number of the engine, part of the name of every part it commits.
        schema: of the rows.
        first_number: the number of the engine's first part here; larger than 0 where a dead engine is replaced.
    """

    def __init__(self, attempt_folder: Path, engine: int, schema: pa.Schema, first_number: int = 0) -> None:
        self._folder, self._engine, self._schema = attempt_folder, engine, schema
        self._number = first_number
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: dict[str, Any]) -> None:
        """Adds a row, a value for each column of the schema, to the open part."""
        self._rows.append(row)

    def commit(self) -> Path | None:
        """Makes the open part count, and opens the next.

        Returns:
            The part, or None when the open part is empty.

        Raises:
            FencedError: another start of the driver has sealed this attempt.
        """
        if not self._rows:
            return None
        part = self._folder / f"part-e{self._engine}-{self._number:05d}.parquet"
        if part.exists():
            raise BrokenInvariantError(f"part {part} exists: two engines share the number {self._engine}")
        try:
            write_part(part, pa.Table.from_pylist(self._rows, schema=self._schema))
        except FileNotFoundError as error:
            raise FencedError(f"{self._folder} was sealed by a newer start of the driver") from error
        self._number += 1
        self._rows = []
        return part


def write_part(part: Path, table: pa.Table) -> None:
    """Commits a table as one part, its ids in the footer: it is written beside, synced, renamed, and the folder synced.

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

    One row group of a part is read at a time, so that large parts need not fit into memory.
    """
    waiting: list[pa.Table] = []
    for part in parts:
        with pq.ParquetFile(part) as file:
            for index in range(file.num_row_groups):
                waiting.append(file.read_row_group(index).replace_schema_metadata(None))
                if sum(table.num_rows for table in waiting) >= at_least:
                    yield pa.concat_tables(waiting).combine_chunks()
                    waiting = []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def part_runs(part: Path) -> Runs:
    """Reads the sample ids of a committed part, as runs, from its footer alone."""
    metadata = pq.read_metadata(part).metadata
    if IDS_KEY not in (metadata or {}):
        raise BrokenInvariantError(f"{part} has no ids in its footer")
    return unpack_runs(metadata[IDS_KEY])


def part_ids(part: Path) -> Ids:
    """Reads the sample ids of a committed part, ascending, from its footer alone."""
    return ids_of(part_runs(part))


def part_name(part: Path) -> str:
    """Returns the name of a part within its samples folder, as in `attempt-0001/part-e0-00000.parquet`."""
    return f"{part.parent.name}/{part.name}"


def replaced_parts(folder: Path) -> list[Path]:
    """Returns the parts that merged parts of a samples folder replace: they do not count, and some may still exist."""
    footers = [pq.read_metadata(part).metadata for part in sorted(folder.glob(f"{MERGED}/part-*.parquet"))]
    names = [json.loads(zlib.decompress(base64.b64decode(footer[REPLACES_KEY]))) for footer in footers]
    return [folder / name for inner in names for name in inner]


def committed_parts(folder: Path) -> list[Path]:
    """Returns all committed parts of a samples folder, in the order of their names, without replaced ones."""
    parts = sorted(folder.glob("attempt-*/part-*.parquet")) + sorted(folder.glob(f"{MERGED}/part-*.parquet"))
    replaced = set(replaced_parts(folder))
    return [part for part in parts if part not in replaced]


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

"""What of a plan is still to be generated, found without reading the plan, and cut into work units as they are needed.

In: the plan's files and the bitmap of committed ids. Out: tables of pending rows, a window at a time. A file whose ids
are all committed is skipped by the id range in its footer; memory depends on the window, never on the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.idset import IdSet
from engine.pool import Unit

WINDOW_ROWS = 1 << 20
"""Prefixes are grouped within this many pending rows: hours of work, so that few prefixes are met twice."""


@dataclass(frozen=True)
class PlanFile:
    """One file of a plan: its smallest and largest id, and its number of rows."""

    path: Path
    first: int
    last: int
    rows: int


def plan_files(prompts: Path) -> list[PlanFile]:
    """The files of a plan, from their footers alone."""
    return [_plan_file(path) for path in sorted(prompts.glob("plan-*.parquet"))]


def _plan_file(path: Path) -> PlanFile:
    metadata = pq.read_metadata(path)
    columns = [metadata.row_group(index).column(0) for index in range(metadata.num_row_groups)]
    assert all(column.path_in_schema == "sample_id" and column.statistics for column in columns), f"{path} is no plan"
    ranges = [(column.statistics.min, column.statistics.max) for column in columns]
    return PlanFile(path, min(low for low, _ in ranges), max(high for _, high in ranges), metadata.num_rows)


def size_of(files: list[PlanFile]) -> int:
    """One more than the largest id: the size of a bitmap of the plan."""
    return max(file.last for file in files) + 1


def pending_windows(files: list[PlanFile], committed: IdSet, window_rows: int = WINDOW_ROWS) -> Iterator[pa.Table]:
    """The plan's rows that are not committed, in plan order, in tables of about `window_rows`."""
    waiting: list[pa.Table] = []
    for file in files:
        if committed.count_between(file.first, file.last) == file.rows:
            continue
        rows = pq.read_table(file.path)
        waiting.append(rows.filter(pa.array(~committed.contains(rows["sample_id"].to_numpy()))))
        if sum(table.num_rows for table in waiting) >= window_rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def make_units(pending: pa.Table, passages: pa.Table, unit_rows: int) -> Iterator[Unit]:
    """Cuts pending rows into runs of one prefix, in the order of `sample_id`, and joins their passages.

    Texts are joined unit by unit, so that only what is taken is in memory.
    """
    ordered = pending.sort_by([("prefix", "ascending"), ("sample_id", "ascending")])
    row_of = pc.index_in(ordered["passage_id"], value_set=passages["passage_id"].combine_chunks())
    assert row_of.null_count == 0, "the plan names only passages of its documents"
    prefixes = ordered["prefix"].to_numpy()
    starts = np.flatnonzero(np.diff(prefixes, prepend=prefixes[:1] - 1))
    for start, end in zip(starts, [*starts[1:], len(prefixes)], strict=True):
        for first in range(start, end, unit_rows):
            length = min(unit_rows, end - first)
            rows = ordered.slice(first, length)
            for name in ("title", "text"):
                rows = rows.append_column(name, passages[name].take(row_of.slice(first, length)))
            yield Unit(int(prefixes[start]), rows.combine_chunks())


def pending_units(
    files: list[PlanFile], committed: IdSet, passages: pa.Table, unit_rows: int, window_rows: int = WINDOW_ROWS
) -> Iterator[Unit]:
    """The units of all pending rows: prefixes are grouped within each window, windows follow the plan."""
    for window in pending_windows(files, committed, window_rows):
        yield from make_units(window, passages, unit_rows)


def read_passages(documents: Path) -> pa.Table:
    """Ids, titles and texts, each column in one piece, so that taking a few rows costs no more than those rows."""
    table = pq.read_table(documents / "passages.parquet", columns=["passage_id", "title", "text"])
    # 64-bit offsets: a large collection does not fit one piece with 32-bit ones.
    large = table.select(["title", "text"]).cast(pa.schema([("title", pa.large_string()), ("text", pa.large_string())]))
    return pa.table(
        {"passage_id": table["passage_id"], **{name: large[name] for name in large.column_names}}
    ).combine_chunks()

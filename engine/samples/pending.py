"""What of a plan is still to be generated, found without reading the plan, and cut into work units as they are needed.

In: the plan's files and the bitmap of committed ids. Out: tables of pending rows, a window at a time. A file whose ids
are all committed is skipped by the id range in its footer; memory depends on the window, never on the plan.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.prompts import PlanFile
from engine.generation.jobs import Unit, make_units
from engine.storage.ids import IdSet

WINDOW_ROWS = 1 << 20
"""Prefixes are grouped within this many pending rows: hours of work, so that few prefixes are met twice."""


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


def pending_units(
    files: list[PlanFile], committed: IdSet, passages: pa.Table, unit_rows: int, window_rows: int = WINDOW_ROWS
) -> Iterator[Unit]:
    """The units of all pending rows: prefixes are grouped within each window, windows follow the plan."""
    for window in pending_windows(files, committed, window_rows):
        yield from make_units(window, passages, unit_rows)

"""What of a plan is still to be generated, found without reading the plan, and cut into work units as they are needed.

In: the plan's files and the bitmap of committed ids. Out: tables of pending rows, a window at a time. A file whose ids
are all committed is skipped by the id range in its footer; memory depends on the window, never on the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from engine.artifacts.prompts import PlanFile
from engine.artifacts.subjects import Subjects
from engine.generation.jobs import Unit, make_units
from engine.storage.ids import IdSet
from engine.storage.tables import read_rows

WINDOW_ROWS = 1 << 20
"""Prefixes are grouped within this many pending rows: hours of work, so that few prefixes are met twice."""


def pending_windows(files: list[PlanFile], committed: IdSet, window_rows: int = WINDOW_ROWS) -> Iterator[pa.Table]:
    """Reads the plan's rows that are not committed, in plan order, in tables of about `window_rows`."""
    waiting: list[pa.Table] = []
    for file in files:
        if committed.count_between(file.first, file.last) == file.rows:
            continue
        rows = read_rows(file.path)
        waiting.append(rows.filter(pa.array(~committed.contains(rows["sample_id"].to_numpy()))))
        if sum(table.num_rows for table in waiting) >= window_rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


@dataclass(frozen=True, eq=False)
class PendingUnits:
    """The units of all pending rows, made as they are taken: prefixes are grouped within each window of the plan.

    They can be gone through several times, as several generators of a mix do, and are the same each time, whatever was
    committed meanwhile.
    """

    files: list[PlanFile]
    committed: IdSet
    """As it was when the step started; it is not changed while units are made."""
    subjects: Subjects
    """What the rows are about."""
    unit_rows: int
    """Rows of a unit at most."""
    window_rows: int = WINDOW_ROWS

    def __iter__(self) -> Iterator[Unit]:
        for window in pending_windows(self.files, self.committed, self.window_rows):
            yield from make_units(window, self.subjects, self.unit_rows)

"""What is pending: found by id ranges and a bitmap, read window by window, cut into units as they are taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder, size_of
from engine.samples.pending import PendingUnits, pending_windows
from engine.storage.ids import IdSet
from tests.support.jobs import rows

FILE_ROWS, FILES = 10, 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plan of four files with ten rows each, two prefixes in turn, and its passages."""
    for number in range(FILES):
        table = rows(FILE_ROWS, 0, number * FILE_ROWS).drop_columns(["title", "text"])
        prefixes = np.arange(FILE_ROWS, dtype=np.int64) % 2
        index = table.schema.get_field_index("prefix")
        table = table.set_column(index, table.schema.field(index), [prefixes])
        pq.write_table(table, tmp_path / f"plan-{number:05d}.parquet", row_group_size=4)
    passages = rows(FILES * FILE_ROWS).select(["passage_id", "title", "text"])
    pq.write_table(passages, tmp_path / "passages.parquet")
    return tmp_path


def committed(*ids: int) -> IdSet:
    found = IdSet(FILES * FILE_ROWS)
    found.add(np.array(sorted(ids), np.int64))
    return found


def test_files_are_known_by_their_footers(folder: Path) -> None:
    files = PromptsFolder(folder).plan_files()
    assert [(file.first, file.last, file.rows) for file in files] == [
        (0, 9, 10),
        (10, 19, 10),
        (20, 29, 10),
        (30, 39, 10),
    ]
    assert size_of(files) == 40


def test_complete_files_are_never_read(folder: Path) -> None:
    files = PromptsFolder(folder).plan_files()
    files[1].path.unlink()
    found = committed(0, 5, *range(10, 20), 39)
    [window] = pending_windows(files, found)
    assert window["sample_id"].to_pylist() == [1, 2, 3, 4, 6, 7, 8, 9, *range(20, 39)]
    assert list(pending_windows(files[1:2], found)) == []


def test_units_are_made_window_by_window(folder: Path) -> None:
    files = PromptsFolder(folder).plan_files()
    units = iter(PendingUnits(files, committed(0), DocumentsFolder(folder).joinable(), unit_rows=4, window_rows=15))
    first = next(units)
    for file in files[2:]:
        file.path.unlink()  # not needed before the second window
    assert (first.prefix, first.rows["sample_id"].to_pylist()) == (0, [2, 4, 6, 8])
    assert first.rows["text"].to_pylist()[0] == "passage number 2 about apples and oranges"
    window = [next(units) for _ in range(4)]
    assert [unit.prefix for unit in window] == [0, 0, 1, 1]
    assert sorted(i for unit in [first, *window] for i in unit.rows["sample_id"].to_pylist())[:3] == [1, 2, 3]
    with pytest.raises(FileNotFoundError):
        list(units)


def test_units_are_the_same_whenever_they_are_gone_through(folder: Path) -> None:
    """Each generator of a mix goes through them once, and nobody keeps them meanwhile."""
    files = PromptsFolder(folder).plan_files()
    units = PendingUnits(files, committed(0), DocumentsFolder(folder).joinable(), unit_rows=4, window_rows=15)
    first, second = ([(unit.prefix, unit.rows.to_pylist()) for unit in units] for _ in range(2))
    assert first == second
    assert sum(len(rows) for _, rows in first) == 39

"""A rows folder: what is written is read back, and joined with a plan in whatever order that has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts import rows as rows_module
from engine.artifacts.prompts import planned_rows
from engine.artifacts.rows import ROWS_FILE, RowsFolder
from engine.errors import BrokenInvariantError
from tests.support.jobs import rows as plan_of
from tests.support.rows import write_rows

IDS = [f"r{number}" for number in range(20)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RowsFolder:
    """Twenty rows in row groups of a few."""
    monkeypatch.setattr(rows_module, "_GROUP_BYTES", 200)
    columns: dict[str, list[object]] = {
        "row_id": [f"own {number}" for number in range(20)],
        "body": [f"text {number}" for number in range(20)],
        "tags": [json.dumps([number]) if number % 2 else None for number in range(20)],
    }
    sampling: dict[str, list[object]] = {"temperature": [0.5 if number == 3 else None for number in range(20)]}
    return write_rows(tmp_path / "rows", IDS, columns, as_json={"tags"}, sampling=sampling)


def planned(*ids: str) -> pa.Table:
    table = plan_of(len(ids)).drop_columns(["title", "text"])
    return table.set_column(table.schema.get_field_index("passage_id"), "passage_id", [pa.array(ids)])


def test_rows_are_read_back_in_their_order(folder: RowsFolder) -> None:
    assert pq.read_metadata(folder.file).num_row_groups > 4
    assert (folder.num_rows(), folder.names()) == (20, ["row_id", "body", "tags"])
    read = list(folder.rows())
    assert [name for name, _ in read] == IDS
    assert read[3][1] == {"row_id": "own 3", "body": "text 3", "tags": [3]}
    assert read[4][1]["tags"] is None
    assert list(folder.rows({"body"}))[5] == ("r5", {"body": "text 5"})


def test_rows_are_joined_by_their_ids_in_any_order(folder: RowsFolder) -> None:
    ids = [IDS[number] for number in np.random.default_rng(0).permutation(20)] + ["r3", "r3"]
    joined = planned_rows(folder.joinable({"body"}).join(planned(*ids)))
    assert [row.row for row in joined] == [{"body": f"text {name[1:]}"} for name in ids]
    assert [row.sampling for row in joined] == [{"temperature": 0.5} if name == "r3" else {} for name in ids]
    assert all(row.passage == {} for row in joined)


def test_each_row_group_is_read_once_in_a_join(folder: RowsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    plain = pq.ParquetFile.read_row_group

    def counting(file: pq.ParquetFile, group: int, *arguments: object) -> pa.Table:
        read.append(group)
        return plain(file, group, *arguments)

    joinable = folder.joinable()
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counting)
    joinable.join(planned(*reversed(IDS)))
    assert read == sorted(set(read))
    assert len(read) == pq.read_metadata(folder.file).num_row_groups


def test_a_row_that_is_not_there_is_a_defect(folder: RowsFolder) -> None:
    with pytest.raises(BrokenInvariantError, match="has no row 'r20'"):
        folder.joinable().join(planned("r1", "r20"))


def test_fewer_long_rows_are_joined_at_a_time(tmp_path: Path) -> None:
    short = write_rows(tmp_path / "short", ["a", "b"], {"body": ["x", "y"]})
    text = "".join(map(str, np.random.default_rng(0).integers(0, 2**62, 40_000).tolist()))
    long = write_rows(tmp_path / "long", ["a", "b"], {"body": [text, text[::-1]]})
    assert short.joinable().rows_at_once == 1 << 16
    assert 50 < long.joinable().rows_at_once < 2000
    assert (tmp_path / "long" / ROWS_FILE).exists()


def test_texts_that_repeat_count_as_long_as_they_are_when_joined(tmp_path: Path) -> None:
    """A document that many rows are about; a Parquet dictionary has it once, and memory as often as there are rows."""
    document = "word " * 4000
    folder = write_rows(tmp_path / "rows", IDS, {"body": [document] * len(IDS)})
    assert folder.joinable().rows_at_once * len(document) <= 128 << 20

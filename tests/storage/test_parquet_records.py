"""Parquet files of anybody's: some rows at a time, few where they are long, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.storage import parquet_records
from engine.storage.parquet_records import open_parquet, parquet_batches, parquet_rows, python_rows


def test_rows_come_some_at_a_time_and_long_ones_by_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": range(10), "text": [f"{n}" * 50 for n in range(10)]}), file, row_group_size=8)
    monkeypatch.setattr(parquet_records, "BATCH_ROWS", 3)
    with open_parquet(file) as parquet:
        batches = list(parquet_batches(parquet, ["n"]))
    assert [len(batch) for batch in batches] == [3, 3, 2, 2], "never of two row groups"
    assert [value for batch in batches for value in batch["n"].to_pylist()] == list(range(10))
    monkeypatch.setattr(parquet_records, "BATCH_BYTES", 1)
    with open_parquet(file) as parquet:
        assert {len(batch) for batch in parquet_batches(parquet)} == {1}


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no table")
    with pytest.raises(UserError, match="cannot be read") as caught, open_parquet(tmp_path / "a.parquet"):
        pass
    assert caught.value.where == str(tmp_path / "a.parquet")


def test_rows_have_the_number_at_which_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": [7, None, 9]}), file, row_group_size=2)
    assert list(parquet_rows(file)) == [(f"{file}: row {row}", {"n": n}) for row, n in ((1, 7), (2, None), (3, 9))]
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"])
    pq.write_table(twice, file)
    with pytest.raises(UserError, match="the column 'n' stands twice"):
        next(parquet_rows(file))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, 10**12], pa.timestamp("s")),
        pa.array([0, 10**9], pa.int32()).cast(pa.date32()),
        pa.array([0, 2**62], pa.duration("s")),
        pa.array([[0], [10**12]], pa.list_(pa.timestamp("s"))),
    ],
    ids=lambda column: str(column.type),
)
def test_a_value_that_python_has_none_for_is_refused_with_its_row_and_column(tmp_path: Path, column: pa.Array) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "when": column}), file, row_group_size=1)
    rows = parquet_rows(file)
    next(rows)
    with pytest.raises(UserError, match=r"a\.parquet: row 2: a value of 'when' cannot be read") as caught:
        next(rows)
    assert "as text" in caught.value.remedy


def test_times_need_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"when": pa.array([10**12], pa.timestamp("s")), "text": ["a"]}), file)
    [(_, values)] = parquet_rows(file, times=False)
    assert list(values.items()) == [("when", None), ("text", "a")]


def test_a_text_that_is_not_utf_8_is_refused_with_its_row_and_column() -> None:
    offsets = pa.array([0, 1, 2], pa.int32()).buffers()[1]
    texts = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"a\xff"))
    with pytest.raises(UserError, match=r"^F: row 8: a value of 'text' cannot be read") as caught:
        python_rows(pa.record_batch({"text": texts}), "F", 7)
    assert "UTF-8" in caught.value.remedy

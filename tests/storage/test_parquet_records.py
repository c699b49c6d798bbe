"""Parquet files of anybody's: some rows at a time, few where they are long, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.storage import parquet_records
from engine.storage.parquet_records import open_parquet, parquet_batches, parquet_rows


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

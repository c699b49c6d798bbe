"""The door of a samples folder: all rows by id, one row, and the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.columns import SAMPLES
from engine.artifacts.samples import EngineTime, Rates, SamplesFolder, SamplesRecord, samples_schema
from engine.errors import BrokenInvariantError, UserError
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values
from tests.support.committed import begin, commit, write


def test_rows_are_sorted_by_id_whatever_part_holds_them(tmp_path: Path) -> None:
    parts = begin(tmp_path)
    commit(parts, [5, 1], engine=0)
    commit(parts, [0, 3], engine=1)
    write(parts.attempt_folder, [7], engine=2)
    samples = SamplesFolder(tmp_path)
    assert samples.rows()["sample_id"].to_pylist() == [0, 1, 3, 5]
    assert len(samples.parts()) == 2


def test_one_row_is_found_without_the_others(tmp_path: Path) -> None:
    commit(begin(tmp_path), [5, 1])
    row = SamplesFolder(tmp_path).row(1)
    assert row is not None
    assert row["text"] == "text 1"
    assert SamplesFolder(tmp_path).row(2) is None


def test_a_folder_without_a_part_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariantError, match="holds no committed part"):
        SamplesFolder(tmp_path).rows()


def test_a_folder_of_an_older_version_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "attempt-0001").mkdir()
    with pytest.raises(UserError, match="were written by an older version of synthmill") as caught:
        SamplesFolder(tmp_path).row(1)
    assert caught.value.where == str(tmp_path)
    assert "makes its samples anew" in caught.value.remedy


def test_the_schema_has_a_column_for_each_condition() -> None:
    assert samples_schema(["form"]).names == [*SAMPLES.names, "condition_form"]


def test_the_record_comes_back_as_it_was(tmp_path: Path) -> None:
    rates = Rates(2.5, 100.0, 20.0, 0.9, 30, 4.2, 12.0)
    record = SamplesRecord(30, 28, 2, 1200, 240, 0, 1, rates, EngineTime(24.0, 0.0))
    finish(tmp_path, StepRecord("samples", "f", {}, {}, 0.0, 0, to_json_values(record)))
    assert SamplesFolder(tmp_path).record() == record

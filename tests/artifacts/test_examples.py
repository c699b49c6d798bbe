"""The doors of an examples and of a model folder: splits, one example, and the records."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES
from engine.artifacts.examples import ExamplesFolder, ExamplesRecord
from engine.artifacts.forms import Form
from engine.artifacts.model import Losses, ModelFolder, ModelRecord
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values


@pytest.fixture
def examples(tmp_path: Path) -> ExamplesFolder:
    kept = [{"sample_id": i, "query": f"q{i}", "split": "train" if i % 3 else "validation"} for i in range(6)]
    rejected = [{"sample_id": 9, "query": "q9", "reason": "length"}]
    for name, rows in (("kept", kept), ("rejected", rejected)):
        pq.write_table(pa.Table.from_pylist(rows, EXAMPLES), tmp_path / f"{name}.parquet")
    return ExamplesFolder(tmp_path)


def test_reads_what_is_kept_by_split(examples: ExamplesFolder) -> None:
    assert examples.kept().num_rows == 6
    assert examples.kept(["sample_id"], split="validation").to_pydict() == {"sample_id": [0, 3]}
    assert examples.rejected(["reason"]).to_pydict() == {"reason": ["length"]}


def test_generated_examples_are_pairs(examples: ExamplesFolder) -> None:
    assert examples.form() is Form.pairs


def test_held_out_examples_are_the_kept_ones_and_those_rejected_for_some_reasons(tmp_path: Path) -> None:
    rows = [
        {"sample_id": row, "query": f"q{row}", "split": split, "reason": reason}
        for row, (split, reason) in enumerate(
            [("validation", "length"), ("validation", "round_trip"), ("train", "round_trip"), ("validation", "")]
        )
    ]
    for name, chosen in (("kept", rows[3:]), ("rejected", rows[:3])):
        pq.write_table(pa.Table.from_pylist(chosen, EXAMPLES), tmp_path / f"{name}.parquet")
    folder = ExamplesFolder(tmp_path)
    read = pa.Table.from_batches(folder.held_out(["sample_id", "query"], ["round_trip"]))
    assert read.to_pydict() == {"sample_id": [3, 1], "query": ["q3", "q1"]}
    assert pa.Table.from_batches(folder.held_out(["sample_id"], [])).to_pydict() == {"sample_id": [3]}


def test_a_sample_is_found_on_either_side(examples: ExamplesFolder) -> None:
    kept, rejected = examples.row(4), examples.row(9)
    assert kept is not None
    assert rejected is not None
    assert (kept["query"], rejected["reason"]) == ("q4", "length")
    assert examples.row(7) is None


def test_the_records_come_back_as_they_were(tmp_path: Path) -> None:
    record = ExamplesRecord(6, 4, 2, {"length": 1}, {"write": 0.1})
    finish(tmp_path, StepRecord("examples", "f", {}, {}, 0.0, 0, to_json_values(record)))
    assert ExamplesFolder(tmp_path).record() == record
    trained = ModelRecord(
        9.5, 15, 163, 3, 32, 2e-5, 160, Losses(2.0, 0.5), 1, "bf16", "mnrl", 0, 0, {"loop": 3.0, "total": 4.5}
    )
    finish(tmp_path, StepRecord("model", "f", {}, {}, 0.0, 0, to_json_values(trained)))
    assert ModelFolder(tmp_path).record() == trained

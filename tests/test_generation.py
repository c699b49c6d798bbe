"""The samples step: units, what is pending, the record, and resuming with other settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_pool import FAKE, TASK, place, rows  # noqa: F401  # place is a fixture

from engine.generation import generate, make_units, read_plan
from engine.parts import committed_parts, read_samples
from engine.place import Place
from engine.prompts import write_sets
from engine.records import condition_names
from engine.samples import generate_samples
from engine.task import task_to_json


@pytest.fixture
def inputs(tmp_path: Path) -> Mapping[str, Path]:
    """A documents and a prompts folder with 90 planned samples of three prefixes."""
    documents, prompts = tmp_path / "documents", tmp_path / "prompts"
    documents.mkdir()
    prompts.mkdir()
    plan = pa.concat_tables([rows(30, prefix, prefix * 30) for prefix in range(3)])
    pq.write_table(plan.select(["passage_id", "title", "text"]), documents / "passages.parquet")
    pq.write_table(plan.drop_columns(["title", "text"]).slice(0, 50), prompts / "plan-00000.parquet")
    pq.write_table(plan.drop_columns(["title", "text"]).slice(50), prompts / "plan-00001.parquet")
    write_sets([], prompts / "demonstration_sets.parquet")
    (prompts / "task.json").write_text(task_to_json(TASK))
    return {"documents": documents, "prompts": prompts}


def test_units_are_runs_of_one_prefix_with_their_passages(inputs: Mapping[str, Path]) -> None:
    passages = pq.read_table(inputs["documents"] / "passages.parquet")
    units = list(make_units(read_plan(inputs["prompts"]), passages, 20))
    assert [(unit.prefix, unit.rows.num_rows) for unit in units] == [
        (0, 20),
        (0, 10),
        (1, 20),
        (1, 10),
        (2, 20),
        (2, 10),
    ]
    row = units[2].rows.to_pylist()[3]
    assert row["text"] == f"passage number {row['sample_id']} about apples and oranges"


def test_condition_names_are_the_condition_columns() -> None:
    table = pa.table({"sample_id": [1], "condition_form": ["question"], "cell": ["form=question"]})
    assert condition_names(table) == ["form"]


def test_generates_resumes_and_keeps_what_is_committed(
    inputs: Mapping[str, Path],
    tmp_path: Path,
    place: Place,  # noqa: F811  # the fixture
) -> None:
    output = tmp_path / "samples"
    output.mkdir()
    try:
        record = generate_samples(FAKE, inputs, output, place)
        assert (record["planned"], record["generated"], record["failed"]) == (90, 90, 0)
        before = read_samples(output)
        lost = committed_parts(output)[0]
        kept = before.filter(pa.compute.invert(pa.compute.is_in(before["sample_id"], pq.read_table(lost)["sample_id"])))
        lost.unlink()  # as if it had never been committed
        record = generate(replace(FAKE, num_engines=2, part_rows=7), inputs, output, place)
        assert record["planned"] == 90
        after = read_samples(output)
        assert after["sample_id"].to_pylist() == list(range(90))
        same = after.filter(pa.compute.is_in(after["sample_id"], kept["sample_id"]))
        assert same["attempt"].to_pylist() == kept["attempt"].to_pylist() == [1] * kept.num_rows
        assert generate(FAKE, inputs, output, place)["planned"] == 90, "nothing pending starts no engine"
    finally:
        place.engines.stop()

"""The samples step: units, what is pending, the record, and resuming with other settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import condition_names
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import SamplesFolder
from engine.generation.jobs import make_units
from engine.runtime.place import Place
from engine.samples.step import generate_samples
from engine.storage.parts import committed_parts
from tests.support.jobs import FAKE


def test_units_are_runs_of_one_prefix_with_their_passages(planned_inputs: Mapping[str, Path]) -> None:
    passages = pq.read_table(planned_inputs["documents"] / "passages.parquet")
    units = list(make_units(PromptsFolder(planned_inputs["prompts"]).plan(), passages, 20))
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
    planned_inputs: Mapping[str, Path],
    tmp_path: Path,
    place: Place,  # the fixture
) -> None:
    output = tmp_path / "samples"
    output.mkdir()
    try:
        record = generate_samples(FAKE, planned_inputs, output, place)
        assert (record["planned"], record["generated"], record["failed"]) == (90, 90, 0)
        before = SamplesFolder(output).rows()
        lost = committed_parts(output)[0]
        kept = before.filter(pa.compute.invert(pa.compute.is_in(before["sample_id"], pq.read_table(lost)["sample_id"])))
        lost.unlink()  # as if it had never been committed
        record = generate_samples(replace(FAKE, num_engines=2, part_rows=7), planned_inputs, output, place)
        assert record["planned"] == 90
        after = SamplesFolder(output).rows()
        assert after["sample_id"].to_pylist() == list(range(90))
        same = after.filter(pa.compute.is_in(after["sample_id"], kept["sample_id"]))
        assert same["attempt"].to_pylist() == kept["attempt"].to_pylist() == [1] * kept.num_rows
        assert generate_samples(FAKE, planned_inputs, output, place)["planned"] == 90, (
            "nothing pending starts no engine"
        )
    finally:
        place.engines.stop()

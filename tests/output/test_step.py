"""Rows with their answers: in the order of the file, with all own columns, in Parquet parts and in one file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.output import OutputFolder, OutputRecord
from engine.artifacts.rows import RowsFolder
from engine.artifacts.samples import samples_schema
from engine.errors import BrokenInvariantError
from engine.output import step as step_module
from engine.output.config import OutputConfig
from engine.output.files import write_file
from engine.output.step import write_output
from engine.storage.parts import write_part
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values
from tests.support.committed import begin
from tests.support.places import quiet_place
from tests.support.rows import write_rows

ROWS = 50
IDS = [f"r{number}" for number in range(ROWS)]


def answered(folder: Path, ids: list[str], *, per_row: int = 1) -> Path:
    """Samples about rows, in an order of their own and in several parts; every tenth row failed."""
    parts = begin(folder)
    schema = samples_schema([], [pa.field("field_n", pa.int64())])
    keys = [(name, replicate) for name in ids for replicate in range(per_row)]
    order = np.random.default_rng(0).permutation(len(keys)).tolist()
    rows = []
    for sample_id in order:
        name, replicate = keys[sample_id]
        failed = int(name[1:]) % 10 == 0
        values = {field.name: {"string": "", "float": 0.0, "double": 0.0}.get(str(field.type), 0) for field in schema}
        values |= {"sample_id": sample_id, "passage_id": name, "replicate": replicate, "model": "fake", "field_n": 3}
        values |= (
            {"status": "failed", "error": "why"} if failed else {"status": "generated", "text": f"{name}.{replicate}"}
        )
        rows.append(values)
    for first in range(0, len(rows), 17):
        part = pa.Table.from_pylist(rows[first : first + 17], schema).sort_by("sample_id")
        write_part(parts.new_part("test"), part)
    parts.list_new()
    return folder


@pytest.fixture
def rows(tmp_path: Path) -> RowsFolder:
    columns: dict[str, list[object]] = {
        "model": [f"car {number}" for number in range(ROWS)],
        "tags": [json.dumps({"n": [number]}) for number in range(ROWS)],
        "size": [float("nan"), *map(float, range(1, ROWS))],
        "sizes": [[float("nan"), 1.0]] * ROWS,
        "row_id": [f"own {number}" for number in range(ROWS)],
    }
    return write_rows(tmp_path / "rows", IDS, columns, as_json={"tags"})


def output_of(folder: Path, rows: RowsFolder, samples: Path, per_row: int = 1) -> tuple[OutputFolder, OutputRecord]:
    output = folder / "output"
    output.mkdir()
    record = write_output(OutputConfig(per_row), {"rows": rows.path, "samples": samples}, output, quiet_place(folder))
    finish(output, StepRecord("output", "f", {}, {}, 0.0, 0, to_json_values(record)))
    return OutputFolder(output), record


@pytest.mark.parametrize("per_row", [1, 3])
def test_every_row_is_written_in_the_order_of_the_file(
    tmp_path: Path, rows: RowsFolder, monkeypatch: pytest.MonkeyPatch, per_row: int
) -> None:
    monkeypatch.setattr(step_module, "_BUCKET_ROWS", 8)
    monkeypatch.setattr(step_module, "_READ_ROWS", 10)
    output, record = output_of(tmp_path, rows, answered(tmp_path / "samples", IDS, per_row=per_row), per_row)
    assert (record.rows, record.failed) == (ROWS * per_row, 5 * per_row)
    assert len(output.parts()) == 7, "a part for each bucket"
    table = pa.concat_tables(list(output.stream()))
    assert table["answer_row_id"].to_pylist() == [name for name in IDS for _ in range(per_row)]
    assert table["row_id"][0].as_py() == "own 0"
    expected = [None if int(n[1:]) % 10 == 0 else f"{n}.{k}" for n in IDS for k in range(per_row)]
    assert table["answer"].to_pylist() == expected
    assert table["model"].to_pylist() == [f"car {number}" for number in range(ROWS) for _ in range(per_row)]
    assert set(table["answer_model"].to_pylist()) == {"fake"}, "a row's own column keeps its name"
    assert ("replicate" in table.column_names) == (per_row > 1)
    assert table["field_n"].to_pylist()[1] == 3
    assert not list(output.path.glob("sorting-*")), "what was sorted through is gone"


def test_a_row_without_an_answer_is_a_defect(tmp_path: Path, rows: RowsFolder) -> None:
    with pytest.raises(BrokenInvariantError, match="50 rows have 49 answers"):
        output_of(tmp_path, rows, answered(tmp_path / "samples", IDS[:-1]))


def test_one_file_holds_the_same_in_each_form(tmp_path: Path, rows: RowsFolder) -> None:
    output, _ = output_of(tmp_path, rows, answered(tmp_path / "samples", IDS))
    for ending in ("jsonl", "csv", "parquet"):
        write_file(output, tmp_path / f"out.{ending}")
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert (lines[0]["size"], lines[1]["size"], lines[7]["tags"]) == (None, 1.0, {"n": [7]})
    assert [line["answer"] for line in lines] == [row["answer"] for row in table]
    with (tmp_path / "out.csv").open(newline="") as stream:
        cells = list(csv.DictReader(stream))
    assert (cells[0]["size"], cells[0]["answer"], cells[7]["tags"]) == ("", "", '{"n": [7]}')
    assert [row["answer_row_id"] for row in cells] == [row["answer_row_id"] for row in table] == IDS
    assert (lines[0]["sizes"], cells[0]["sizes"]) == ([None, 1.0], "[null, 1.0]"), "JSON has no word for NaN"
    assert not list(tmp_path.glob("*.tmp"))


def test_a_row_that_is_answered_twice_is_a_defect(tmp_path: Path, rows: RowsFolder) -> None:
    with pytest.raises(BrokenInvariantError, match="around row 3 of the file"):
        output_of(tmp_path, rows, answered(tmp_path / "samples", [*IDS[:3], "r2", *IDS[4:]]))


def test_fewer_long_answers_are_sorted_and_joined_at_a_time(
    tmp_path: Path, rows: RowsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_module, "_BUCKET_BYTES", 2000)
    monkeypatch.setattr(step_module, "_PIECE_BYTES", 500)
    output, _ = output_of(tmp_path, rows, answered(tmp_path / "samples", IDS))
    assert len(output.parts()) > 10, "a part for each piece"
    table = pa.concat_tables(list(output.stream()))
    assert table["answer_row_id"].to_pylist() == IDS

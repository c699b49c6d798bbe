"""A file of answers is replaced whole: what a write that fails began is gone, and the file before it is there."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from engine.artifacts.output import OutputFolder, OutputRecord
from engine.output.files import write_file
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path / "output")
    output.path.mkdir()
    output.write_part(0, pa.table({"row_id": ["a"], "k": ["no JSON"]}))
    record = OutputRecord(rows=1, answered=1, failed=0, as_json=["k"])
    finish(output.path, StepRecord("output", "f", {}, {}, 0.0, 0, to_json_values(record)))
    file = tmp_path / "out.jsonl"
    file.write_text("before")
    with pytest.raises(ValueError, match="Expecting value"):
        write_file(output, file)
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.glob("out.*")] == ["out.jsonl"]


def test_what_a_kill_left_of_the_file_is_removed(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path / "output")
    output.path.mkdir()
    output.write_part(0, pa.table({"row_id": ["a"]}))
    record = OutputRecord(rows=1, answered=1, failed=0, as_json=[])
    finish(output.path, StepRecord("output", "f", {}, {}, 0.0, 0, to_json_values(record)))
    (tmp_path / "out.jsonl.123.tmp").write_text('{"row_')
    write_file(output, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == '{"row_id": "a"}\n'
    assert [path.name for path in tmp_path.glob("out.*")] == ["out.jsonl"]

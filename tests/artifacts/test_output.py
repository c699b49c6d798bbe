"""An output folder: parts in the order of the rows, and the record of its step."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from engine.artifacts.output import OutputFolder, OutputRecord
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values


def test_parts_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    output, record = OutputFolder(tmp_path), OutputRecord(rows=3, answered=2, failed=1, as_json=["tags"])
    output.write_part(1, pa.table({"row_id": ["c"]}))
    output.write_part(0, pa.table({"row_id": ["a", "b"]}))
    finish(tmp_path, StepRecord("output", "f", {}, {}, 0.0, 0, to_json_values(record)))
    assert [table["row_id"].to_pylist() for table in output.stream()] == [["a", "b"], ["c"]]
    assert output.record() == record

"""Writes the answers of a run into one file: JSONL, Parquet or CSV.

In: an output folder. Out: the file, whole or not at all, some thousand rows at a time.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from engine.artifacts.output import OutputFolder
from engine.storage.files import temporary_beside


def write_file(output: OutputFolder, file: Path) -> None:
    """Writes all rows; what the file held before is replaced in one step.

    Args:
        output: a finished output folder.
        file: where to; its ending says the form.
    """
    write = {".jsonl": _write_jsonl, ".csv": _write_csv, ".parquet": _write_parquet}[file.suffix]
    with temporary_beside(file) as temporary:
        write(output, temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(file)


def _write_jsonl(output: OutputFolder, file: Path) -> None:
    as_json = set(output.record().as_json)
    with file.open("w", encoding="utf-8") as stream:
        for table in output.stream():
            for row in table.to_pylist():
                stream.write(json.dumps(_plain(row, as_json), ensure_ascii=False, default=str) + "\n")


def _plain(row: Mapping[str, Any], as_json: Collection[str]) -> dict[str, Any]:
    """Returns a row as JSON has it: JSON text parsed, and null for what is no number."""
    return {
        name: _finite(json.loads(value) if name in as_json and value is not None else value)
        for name, value in row.items()
    }


def _finite(value: object) -> object:
    """Returns a value with null in place of what is no number, at any depth: JSON has no word for it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def _write_csv(output: OutputFolder, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        for number, table in enumerate(output.stream()):
            if not number:
                writer.writerow(table.column_names)
            for row in table.to_pylist():
                writer.writerow([_cell(value) for value in row.values()])


def _cell(value: object) -> object:
    if isinstance(value, (list, dict)):
        return json.dumps(_finite(value), ensure_ascii=False, default=str)
    return "" if isinstance(value, float) and math.isnan(value) else value


def _write_parquet(output: OutputFolder, file: Path) -> None:
    with pq.ParquetWriter(file, pq.read_schema(output.parts()[0]), compression="zstd") as writer:
        for table in output.stream():
            writer.write_table(table)

"""Parts of made-up samples, listed and not."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from engine.artifacts.samples import samples_schema
from engine.storage.parts import PartWriter, write_part
from engine.storage.parts_log import PartsLog

SCHEMA = samples_schema(["form"])
SIZE = 1 << 16
"""Ids of the plan that tests of parts have in mind are below it."""


def row(sample_id: int, **values: object) -> dict[str, object]:
    empty: dict[str, object] = {field.name: "" if pa.types.is_string(field.type) else 0 for field in SCHEMA}
    return {**empty, "sample_id": sample_id, "text": f"text {sample_id}", **values}


def begin(folder: Path, size: int = SIZE) -> PartsLog:
    """A start of the driver on a samples folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return PartsLog.take_over(folder, size)


def write(attempt: Path, ids: Sequence[int], engine: int = 0, number: int = 0) -> Path:
    """A part as an engine leaves it: nobody has listed it."""
    writer = PartWriter(attempt, engine, SCHEMA, number)
    for sample_id in ids:
        writer.add(row(sample_id))
    part = writer.commit()
    assert part is not None
    return part


def commit(parts: PartsLog, ids: Sequence[int], engine: int = 0, number: int = 0) -> Path:
    """A part that is listed."""
    part = write(parts.attempt_folder, ids, engine, number)
    parts.list_new()
    return part


def commit_table(folder: Path, table: pa.Table) -> None:
    """A start of the driver whose only part holds a table, and is listed."""
    parts = begin(folder)
    write_part(parts.new_part("e0"), table)
    parts.list_new()

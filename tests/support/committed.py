"""Committed parts of made-up samples."""

from pathlib import Path

import pyarrow as pa

from engine.artifacts.samples import samples_schema
from engine.storage.parts import (
    PartWriter,
)

SCHEMA = samples_schema(["form"])


def row(sample_id: int, **values: object) -> dict[str, object]:
    empty: dict[str, object] = {field.name: "" if pa.types.is_string(field.type) else 0 for field in SCHEMA}
    return {**empty, "sample_id": sample_id, "text": f"text {sample_id}", **values}


def commit(folder: Path, ids: list[int], engine: int = 0, number: int = 0) -> Path:
    writer = PartWriter(folder, engine, SCHEMA, number)
    for sample_id in ids:
        writer.add(row(sample_id))
    part = writer.commit()
    assert part is not None
    return part

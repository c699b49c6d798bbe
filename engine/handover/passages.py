"""The passages of a system folder: a line of JSON each, and where the lines are.

In: a documents folder. Out: passages.jsonl, in the order of equal scores, and offsets.npy, the bytes at which the line
of each passage begins and the last one ends. A program can then read the passages that it found, and none of the
others. Passages are streamed into a file in the order of reading, whose lines are then taken by number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from engine.artifacts.columns import FIELD_PREFIX
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.system import SystemFolder
from engine.search.order import rows_by_id
from engine.storage.texts import Texts, TextWriter

_COLUMNS = ("passage_id", "document_id", "title", "text")
_ROWS_AT_ONCE = 10_000


def write_passages(documents: DocumentsFolder, ids: Sequence[str], folder: SystemFolder) -> None:
    """Writes all passages, the greatest id first, each with its kept fields under `fields`.

    Args:
        documents: where they are.
        ids: of all of them, in the order of reading.
        folder: where to.
    """
    columns = [*_COLUMNS, *(FIELD_PREFIX + name for name in documents.field_types())]
    rows = rows_by_id(ids)
    offsets = np.zeros(len(rows) + 1, np.int64)
    with TemporaryDirectory(dir=folder.path) as scratch, folder.passages_file.open("wb") as stream:
        unordered = Path(scratch) / "passages"
        with TextWriter(unordered) as writer:
            for batch in documents.stream(columns, _ROWS_AT_ONCE):
                writer.add(pa.array([_line(passage) for passage in batch.to_pylist()], pa.large_string()))
        lines = Texts(unordered)
        assert len(lines) == len(ids), f"{len(lines)} passages for {len(ids)} ids"
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            for row, line in enumerate(lines.take(pa.array(rows[start : start + _ROWS_AT_ONCE])).to_pylist(), start):
                offsets[row + 1] = offsets[row] + stream.write(line.encode())
    np.save(folder.offsets_file, offsets)


def _line(passage: dict[str, Any]) -> str:
    """Returns a line of JSON."""
    return json.dumps(_shown(passage), ensure_ascii=False, default=_as_text) + "\n"


def _shown(passage: dict[str, Any]) -> dict[str, Any]:
    """Returns a passage with its kept fields apart, by their own names; without the key where none was kept."""
    fields = {
        name.removeprefix(FIELD_PREFIX): value for name, value in passage.items() if name.startswith(FIELD_PREFIX)
    }
    return {name: passage[name] for name in _COLUMNS} | ({"fields": fields} if fields else {})


def _as_text(value: object) -> str:
    """Writes a date or a time in ISO 8601, as filters read it."""
    assert isinstance(value, date), f"a kept field holds {value!r}"
    return value.isoformat()

"""The passages of a system folder: a line of JSON each, and where the lines are.

In: a documents folder. Out: passages.jsonl, and rows.npz with two arrays: `offsets`, where the line of each passage
begins and the last one ends, and `order`, the place of each passage among those of equal score. A program can then read
the passages that it found, and none of the others. Passages are streamed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from engine.artifacts.columns import FIELD_PREFIX
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.system import SystemFolder
from engine.search.order import id_ranks

_COLUMNS = ("passage_id", "document_id", "title", "text")
_ROWS_AT_ONCE = 10_000


def write_passages(documents: DocumentsFolder, ids: Sequence[str], folder: SystemFolder) -> None:
    """Writes all passages in the order of reading, each with its kept fields under `fields`.

    Args:
        documents: where they are.
        ids: of all of them.
        folder: where to.
    """
    columns = [*_COLUMNS, *(FIELD_PREFIX + name for name in documents.field_types())]
    offsets, row = np.zeros(len(ids) + 1, np.int64), 0
    with folder.passages_file.open("wb") as stream:
        for batch in documents.stream(columns, _ROWS_AT_ONCE):
            for passage in batch.to_pylist():
                line = json.dumps(_shown(passage), ensure_ascii=False, default=_as_text)
                row += 1
                offsets[row] = offsets[row - 1] + stream.write(line.encode() + b"\n")
    assert row == len(ids), f"{row} passages for {len(ids)} ids"
    np.savez(folder.rows_file, offsets=offsets, order=id_ranks(ids))


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

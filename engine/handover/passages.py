"""The passages of a system folder: a line of JSON each, and where the lines are.

In: a documents folder. Out: passages.jsonl, and rows.npz with two arrays of a number per row: `offsets`, where a
passage's line begins, and `order`, its place among passages of equal score. A program can then read the passages that
it found, and none of the others. Passages are streamed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.system import SystemFolder
from engine.search.order import id_ranks

_COLUMNS = ("passage_id", "document_id", "title", "text")
_ROWS_AT_ONCE = 10_000


def write_passages(documents: DocumentsFolder, ids: Sequence[str], folder: SystemFolder) -> None:
    """Writes all passages in the order of reading.

    Args:
        documents: where they are.
        ids: of all of them.
        folder: where to.
    """
    offsets = np.empty(len(ids), np.int64)
    row = 0
    with folder.passages_file.open("wb") as stream:
        for batch in documents.stream(_COLUMNS, _ROWS_AT_ONCE):
            for passage in batch.to_pylist():
                offsets[row] = stream.tell()
                stream.write(json.dumps(passage, ensure_ascii=False).encode() + b"\n")
                row += 1
    assert row == len(ids), f"{row} passages for {len(ids)} ids"
    np.savez(folder.rows_file, offsets=offsets, order=id_ranks(ids))

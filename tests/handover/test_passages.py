"""Every passage is found again by its row, without reading the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import PASSAGES
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.system import SystemFolder
from engine.handover.passages import write_passages

IDS = ["b", "ä", "a#2", "a"]
TEXTS = ["plain", "Über\nzwei Zeilen", "한국어", '"quoted" \\ and \t tabs']


def test_rows_are_found_by_their_offsets(tmp_path: Path) -> None:
    rows = [
        {"passage_id": name, "document_id": name[0], "title": "T" if name == "b" else "", "text": text}
        for name, text in zip(IDS, TEXTS, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), tmp_path / "passages.parquet")
    (tmp_path / "system").mkdir()
    documents, folder = DocumentsFolder(tmp_path), SystemFolder(tmp_path / "system")
    write_passages(documents, IDS, folder)
    arrays = np.load(folder.rows_file)
    with folder.passages_file.open("rb") as file:
        for row, offset in enumerate(arrays["offsets"]):
            file.seek(offset)
            assert json.loads(file.readline()) == rows[row]
    assert [IDS[row] for row in np.argsort(arrays["order"])] == sorted(IDS, reverse=True)

"""Every passage is found again by its row, without reading the others."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, date, datetime
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


def test_rows_are_in_the_order_of_equal_scores_and_found_by_their_offsets(tmp_path: Path) -> None:
    rows = [
        {"passage_id": name, "document_id": name[0], "title": "T" if name == "b" else "", "text": text}
        for name, text in zip(IDS, TEXTS, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), tmp_path / "passages.parquet")
    (tmp_path / "system").mkdir()
    documents, folder = DocumentsFolder(tmp_path), SystemFolder(tmp_path / "system")
    write_passages(documents, IDS, folder)
    lines = folder.passages_file.read_bytes()
    offsets = np.load(folder.offsets_file)
    found = [json.loads(lines[start:end]) for start, end in itertools.pairwise(offsets)]
    assert offsets[-1] == len(lines)
    assert found == sorted(rows, key=lambda row: row["passage_id"], reverse=True)
    assert {path.name for path in folder.path.iterdir()} == {"passages.jsonl", "offsets.npy"}, "nothing is left over"


def test_kept_fields_stand_beside_a_passage_as_filters_read_them(tmp_path: Path) -> None:
    row = {"passage_id": "a", "document_id": "a", "title": "", "text": "b", "position": 0, "num_tokens": 1}
    table = pa.Table.from_pylist([row], schema=PASSAGES)
    kept = {"date": date(2024, 1, 31), "changed": datetime(2024, 1, 31, 8, tzinfo=UTC), "source": "faq", "stars": None}
    for name, value in kept.items():
        table = table.append_column(f"field_{name}", pa.array([value]))
    pq.write_table(table, tmp_path / "passages.parquet")
    (tmp_path / "system").mkdir()
    folder = SystemFolder(tmp_path / "system")
    write_passages(DocumentsFolder(tmp_path), ["a"], folder)
    assert json.loads(folder.passages_file.read_text())["fields"] == {
        "date": "2024-01-31",
        "changed": "2024-01-31T08:00:00+00:00",
        "source": "faq",
        "stars": None,
    }

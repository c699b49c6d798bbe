"""The door of a documents folder: whole, streamed, one passage, and the ids of what gave none."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import FAILED_DOCUMENTS, PASSAGES
from engine.artifacts.documents import DocumentsFolder, DocumentsRecord, passage_text
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values

RECORD = DocumentsRecord("tree", 9, 7, 70, {"empty": 2})


@pytest.fixture
def documents(tmp_path: Path) -> DocumentsFolder:
    rows = [
        {"passage_id": f"d{i // 2}#{i}", "document_id": f"d{i // 2}", "title": "", "text": f"text {i}", "num_tokens": 2}
        for i in range(7)
    ]
    pq.write_table(pa.Table.from_pylist(rows, PASSAGES), tmp_path / "passages.parquet", row_group_size=3)
    failed = [{"document_id": name, "reason": "empty"} for name in ("x", "y")]
    pq.write_table(pa.Table.from_pylist(failed, FAILED_DOCUMENTS), tmp_path / "failed.parquet")
    finish(tmp_path, StepRecord("documents", "f", {}, {}, 0.0, 0, to_json_values(RECORD)))
    return DocumentsFolder(tmp_path)


def test_reads_the_columns_that_are_asked_for(documents: DocumentsFolder) -> None:
    assert documents.passages().schema.names == PASSAGES.names
    assert documents.passages(["text"]).to_pydict() == {"text": [f"text {i}" for i in range(7)]}


def test_streams_what_it_reads_whole(documents: DocumentsFolder) -> None:
    batches = list(documents.stream(["passage_id", "text"], 2))
    assert pa.Table.from_batches(batches).to_pydict() == documents.passages(["passage_id", "text"]).to_pydict()
    assert max(batch.num_rows for batch in batches) == 2


def test_texts_are_in_one_piece_with_room_for_a_large_collection(documents: DocumentsFolder) -> None:
    texts = documents.texts()
    assert texts.schema.field("text").type == texts.schema.field("title").type == pa.large_string()
    assert [column.num_chunks for column in texts.columns] == [1, 1, 1]


def test_one_passage_is_found_by_its_id(documents: DocumentsFolder) -> None:
    assert documents.passage("d1#2")["text"] == "text 2"
    with pytest.raises(LookupError, match="no passage 'd9'"):
        documents.passage("d9")


def test_documents_without_a_passage_are_documents_too(documents: DocumentsFolder) -> None:
    assert documents.existing_documents({"d0", "d3", "y", "d4", "d0#0"}) == {"d0", "d3", "y"}
    assert documents.existing_documents(()) == set()


def test_passages_of_equal_text_have_the_same_hash(tmp_path: Path) -> None:
    pairs = [("", "a b"), ("", " a\n b "), ("a", "b"), ("", "a c"), ("t", "a b")]
    pairs += [("", unicodedata.normalize(form, "꿀벌 é")) for form in ("NFC", "NFD")]
    rows = [{"passage_id": str(i), "title": title, "text": text} for i, (title, text) in enumerate(pairs)]
    pq.write_table(pa.Table.from_pylist(rows, PASSAGES), tmp_path / "passages.parquet")
    hashes = DocumentsFolder(tmp_path).text_hashes()
    assert hashes.dtype == np.uint64
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(np.unique(hashes)) == 4
    assert hashes[5] == hashes[6], "whether letters are one character or several"


def test_the_record_comes_back_as_it_was(documents: DocumentsFolder) -> None:
    assert documents.record() == RECORD


@pytest.mark.parametrize(("title", "text", "read"), [("A", "b", "A\nb"), ("", "b", "b"), ("A", "", "A\n")])
def test_a_passage_is_read_with_its_title(title: str, text: str, read: str) -> None:
    assert passage_text(title, text) == read

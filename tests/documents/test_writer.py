"""The writer of passages: whole row groups, counts, and ids that two documents would share."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import FAILED_DOCUMENTS, PASSAGES
from engine.documents import writer
from engine.documents.chunking import ChunkedDocument, Passage
from engine.documents.writer import PassageWriter
from engine.errors import UserError


def document(name: str, num_passages: int = 1, reason: str = "") -> ChunkedDocument:
    """A document with as many passages of three tokens each."""
    ids = [name, *(f"{name}#{number}" for number in range(2, num_passages + 1))][:num_passages]
    passages = (Passage(passage_id, name, "", "text", position, 3) for position, passage_id in enumerate(ids))
    return ChunkedDocument(name, tuple(passages), reason)


def test_passages_are_written_in_order_a_row_group_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROWS_PER_GROUP", 2)
    with PassageWriter(tmp_path) as passages:
        for chunked in (document("b", 3), document("a", 2), document("c", 0, "empty")):
            passages.add(chunked)
        assert (passages.documents, passages.passages, passages.tokens, passages.failed) == (3, 5, 15, {"empty": 1})
    file = pq.ParquetFile(tmp_path / "passages.parquet")
    assert file.num_row_groups == 3
    assert file.read()["passage_id"].to_pylist() == ["b", "b#2", "b#3", "a", "a#2"]
    assert pq.read_table(tmp_path / "failed.parquet").to_pylist() == [{"document_id": "c", "reason": "empty"}]


def test_without_documents_both_files_are_there_with_their_columns(tmp_path: Path) -> None:
    with PassageWriter(tmp_path):
        pass
    assert pq.read_table(tmp_path / "passages.parquet").schema == PASSAGES
    assert pq.read_table(tmp_path / "failed.parquet").schema == FAILED_DOCUMENTS


def test_a_document_that_was_there_before_is_a_duplicate(tmp_path: Path) -> None:
    with PassageWriter(tmp_path) as passages:
        passages.add(document("a", 2))
        passages.add(document("a", 2))
    assert (passages.documents, passages.passages, passages.failed) == (2, 2, {"duplicate": 1})


@pytest.mark.parametrize("order", [1, -1])
def test_an_id_of_a_document_that_is_also_a_chunk_is_refused(tmp_path: Path, order: int) -> None:
    first, second = [document("a", 2), document("a#2")][::order]
    with PassageWriter(tmp_path) as passages:
        passages.add(first)
        with pytest.raises(UserError, match="'a#2' is the id of a document and of chunk 2") as caught:
            passages.add(second)
    assert caught.value.where == "documents.id_field"

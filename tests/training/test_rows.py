"""The training rows: which examples they are, and what those of one batch must not share."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES
from engine.artifacts.examples import ExamplesFolder
from engine.errors import UserError
from engine.text.hashes import text_hashes
from tests.support.training import write_examples
from training.negatives import NO_NEGATIVES, Negatives
from training.rows import columns_for_training, held_out_documents, read_rows, row_keys

ROWS = pa.table(
    {
        "query": ["What  is HONEY?", "what is honey?"],
        "passage": ["of bees", "of hives"],
        "passage_id": ["p0", "p1"],
        "document_id": ["d0", "d1"],
    }
)
MINED = Negatives(texts=[["a", "b"], ["c", "d"]], documents=[["d1", "d2"], ["d3", "d4"]], num_random=0)


def test_only_kept_examples_of_the_training_split_are_read(tmp_path: Path) -> None:
    blank = {name: "" if pa.types.is_string(EXAMPLES.field(name).type) else 0 for name in EXAMPLES.names}
    rows = [
        {**blank, "document_id": f"d{i}", "query": f"q{i}", "split": "train" if i % 3 else "validation"}
        for i in range(9)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=EXAMPLES), tmp_path / "kept.parquet")
    assert read_rows(ExamplesFolder(tmp_path))["query"].to_pylist() == [f"q{i}" for i in range(9) if i % 3]


def test_documents_of_the_validation_split_are_held_out_whatever_became_of_their_examples(tmp_path: Path) -> None:
    blank = {name: "" if pa.types.is_string(EXAMPLES.field(name).type) else 0 for name in EXAMPLES.names}
    for file, validation in (("kept", "d1"), ("rejected", "d2")):
        rows = [{**blank, "document_id": "d0", "split": "train"}]
        rows += [{**blank, "document_id": validation, "split": "validation"}] * 2
        pq.write_table(pa.Table.from_pylist(rows, schema=EXAMPLES), tmp_path / f"{file}.parquet")
    assert held_out_documents(ExamplesFolder(tmp_path)) == {"d1", "d2"}


def test_examples_of_one_document_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_rows(ExamplesFolder(write_examples(tmp_path, count=3, documents=1)))
    assert caught.value.what == "2 training examples of 1 documents are too few to train on"
    assert caught.value.where == "examples/kept.parquet"
    assert "more documents" in caught.value.remedy


def test_queries_that_differ_in_case_or_spacing_are_one_key() -> None:
    keys = row_keys(ROWS, MINED)
    assert keys.queries.tolist() == text_hashes(["what is honey?", "what is honey?"]).tolist()
    assert keys.passages.tolist() == text_hashes(["of bees", "of hives"]).tolist()
    assert keys.documents.tolist() == text_hashes(["d0", "d1"]).tolist()
    assert keys.negatives.tolist() == [text_hashes(row).tolist() for row in MINED.documents]
    assert row_keys(ROWS, NO_NEGATIVES).negatives.size == 0


def test_passages_that_differ_in_white_space_are_one_key() -> None:
    rows = ROWS.set_column(1, "passage", pa.array(["Bees\nmake honey", "Bees make  honey"]))
    keys = row_keys(rows, Negatives(texts=[["a"], ["Bees\r\nmake honey"]], documents=[["d1"], ["d2"]], num_random=0))
    assert keys.passages[0] == keys.passages[1] == keys.negative_passages[1, 0] != keys.negative_passages[0, 0]


def test_a_text_that_many_rows_have_is_held_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.artifacts.examples._BATCH_ROWS", 7)
    folder = ExamplesFolder(write_examples(tmp_path, count=60, documents=20))
    rows, plain = read_rows(folder), folder.kept(split="train")
    assert all(rows[name].to_pylist() == plain[name].to_pylist() for name in rows.column_names)
    assert rows.schema.field("query").type == pa.large_string(), "they may be more than 2 GiB"
    for name in ("passage", "passage_id", "document_id"):
        assert rows.schema.field(name).type == pa.dictionary(pa.int32(), pa.large_string())
        assert [column.num_chunks for column in rows.columns] == [1] * 4
        assert len(rows[name].chunk(0).dictionary) == len(set(plain[name].to_pylist()))
    keys, of_texts = row_keys(rows, NO_NEGATIVES), row_keys(plain, NO_NEGATIVES)
    for name in ("passages", "documents", "queries"):
        assert getattr(keys, name).tolist() == getattr(of_texts, name).tolist()


def test_the_loss_reads_texts_and_no_ids() -> None:
    assert columns_for_training(ROWS, NO_NEGATIVES).column_names == ["query", "passage"]
    texts = columns_for_training(ROWS, MINED)
    assert texts.column_names == ["query", "passage", "negative_0", "negative_1"]
    assert texts["negative_1"].to_pylist() == ["b", "d"]

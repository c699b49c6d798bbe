"""The training rows: which examples they are, and what those of one batch must not share."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import COLUMNS, Form
from engine.errors import UserError
from engine.text.hashes import text_hashes
from tests.support.training import write_examples, write_given
from training.batches.plan import fitting_batch_size, plan_batches
from training.config import Family
from training.losses.combinations import meant_loss
from training.losses.settings import Loss
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
WITH_CANDIDATES = (
    ROWS.append_column("candidate_1", pa.array(["of hives", "of wax"]))
    .append_column("teacher_scores", pa.array([[1.0, 0.5], [2.0, 3.0]]))
    .append_column("candidate_0", ROWS["passage"])
)


def negatives(texts: list[str], numbers: list[list[int]], documents: list[list[str]]) -> Negatives:
    """Negatives of rows, and the documents that hold them."""
    hashes = np.array([text_hashes(names) for names in documents], np.uint64)
    return Negatives(pa.array(texts, pa.large_string()), np.array(numbers), hashes, 0)


MINED_DOCUMENTS = [["d1", "d2"], ["d3", "d4"]]
MINED = negatives(["a", "b", "c", "d"], [[0, 1], [2, 3]], MINED_DOCUMENTS)


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
    assert caught.value.remedy.startswith("give more documents, or lower examples.validation_share; where"), "of any"


def test_queries_that_differ_in_case_or_spacing_are_one_key() -> None:
    keys = row_keys(ROWS, MINED)
    assert keys.queries.tolist() == text_hashes(["what is honey?", "what is honey?"]).tolist()
    assert keys.passages.tolist() == text_hashes(["of bees", "of hives"]).tolist()
    assert keys.documents.tolist() == text_hashes(["d0", "d1"]).tolist()
    assert keys.negatives.tolist() == [text_hashes(row).tolist() for row in MINED_DOCUMENTS]
    assert row_keys(ROWS, NO_NEGATIVES).negatives.size == 0


def test_queries_and_passages_that_differ_in_the_characters_of_a_letter_are_one_key() -> None:
    names = ("query", "passage")
    texts = pa.table({name: ["é", unicodedata.normalize("NFD", "é")] for name in names})
    keys = row_keys(texts.append_column("document_id", pa.array(["d0", "d1"])), NO_NEGATIVES)
    assert keys.queries[0] == keys.queries[1]
    assert keys.passages[0] == keys.passages[1]


def test_passages_that_differ_in_white_space_are_one_key() -> None:
    rows = ROWS.set_column(1, "passage", pa.array(["Bees\nmake honey", "Bees make  honey"]))
    keys = row_keys(rows, negatives(["a", "Bees\r\nmake honey"], [[0], [1]], [["d1"], ["d2"]]))
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


def test_a_loss_reads_texts_and_no_ids() -> None:
    assert columns_for_training(ROWS, NO_NEGATIVES, Loss.mnrl).column_names == ["query", "passage"]
    texts = columns_for_training(ROWS, MINED, Loss.mnrl)
    assert texts.column_names == ["query", "passage", "negative_0", "negative_1"]
    assert texts["negative_1"].to_pylist() == ["b", "d"]


def test_a_loss_that_learns_from_a_teacher_reads_candidates() -> None:
    rows = WITH_CANDIDATES
    read = ["query", "candidate_0", "candidate_1", "teacher_scores"]
    assert columns_for_training(rows, NO_NEGATIVES, Loss.kl).column_names == read
    assert columns_for_training(rows, NO_NEGATIVES, Loss.mnrl).column_names == ["query", "passage"]


def test_no_row_shares_a_batch_with_one_that_it_is_ranked_against() -> None:
    """Whether as the negative of a triplet, as a candidate or as a mined negative."""
    triplets = ROWS.append_column("negative", pa.array(["of\nhives", "else"]))
    of_hives = text_hashes(["of hives"])[0]
    for rows in (triplets, WITH_CANDIDATES):
        keys = row_keys(rows, NO_NEGATIVES)
        assert keys.negative_passages[0, 0] == keys.passages[1] == of_hives
        assert keys.negatives.size == 0
    both = row_keys(triplets, MINED)
    assert both.negative_passages.shape == (2, 3)
    assert both.negatives.shape == (2, 2)


VALUES: dict[str, list[object]] = {
    "query": ["q0", "q1", "q2"],
    "passage": ["p0", "p0", "p2"],
    "negative": ["n0", "n1", "n1"],
    "score": [0.25, 1.0, 0.5],
    "text": ["t0", "t1", "t2"],
    "labels": [["a"], [], ["a", "b"]],
}


@pytest.mark.parametrize("form", Form)
def test_every_form_has_its_columns(tmp_path: Path, form: Form) -> None:
    rows = write_form(tmp_path, form)
    for name in COLUMNS[form]:
        assert rows[name].to_pylist() == VALUES[name]
    loss = meant_loss(Family.classifier if form is Form.labelled else Family.bi_encoder, Loss.auto, form)
    assert columns_for_training(rows, NO_NEGATIVES, loss).column_names == list(COLUMNS[form])


@pytest.mark.parametrize("form", [Form.graded, Form.labelled, Form.texts])
def test_rows_that_are_not_ranked_may_share_a_batch(tmp_path: Path, form: Form) -> None:
    keys = row_keys(write_form(tmp_path, form), NO_NEGATIVES)
    assert plan_batches(keys, batch_size=3, world_size=1, seed=0, epoch=0).shape == (1, 3)
    one = write_form(tmp_path, form, count=2)
    assert fitting_batch_size(row_keys(one, NO_NEGATIVES), batch_size=16, world_size=1, seed=0) == 2


def test_one_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 training examples are too few"):
        write_form(tmp_path, Form.texts, count=1)


def write_form(folder: Path, form: Form, count: int = 3) -> pa.Table:
    """Writes examples of a form, and reads what is trained on."""
    columns = {name: VALUES[name][:count] for name in COLUMNS[form]}
    return read_rows(ExamplesFolder(write_given(folder, form, columns)))

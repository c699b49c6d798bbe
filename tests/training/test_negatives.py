"""Hard negatives: what may be taken, and what takes its place."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.artifacts.documents import DocumentsFolder, equality_text
from engine.artifacts.examples import ExamplesFolder
from engine.errors import UserError
from engine.search.equal_texts import find_equal_texts
from engine.search.order import Rows
from engine.text.hashes import text_hashes
from tests.support.training import make_config as make_config_for
from tests.support.training import make_passages, make_place, write_documents, write_examples
from training import negatives
from training.config import ModelConfig
from training.negatives import (
    NO_NEGATIVES,
    Candidates,
    Negatives,
    Never,
    Rivals,
    fill,
    first_allowed,
    free_passages,
    mine_negatives,
)
from training.retriever import retriever_of
from training.rows import read_rows


def make_candidates(**changes: Any) -> Candidates:
    """One query on passage 0; passages 0 and 1 are of its document."""
    parts: dict[str, Any] = {
        "ranked": np.array([[0, 1, 2, 3, 4, 5]]),
        "scores": np.array([[0.80, 0.79, 0.78, 0.70, 0.60, 0.50]], dtype=np.float32),
        "positive_scores": np.array([0.80], dtype=np.float32),
        "documents": np.array([0]),
        "texts": find_equal_texts(np.arange(6, dtype=np.uint64), np.array([0, 0, 1, 2, 3, 4])),
        "is_free": np.ones(6, np.bool_),
    }
    parts |= changes
    found = {name: parts.pop(name) for name in ("ranked", "scores", "positive_scores")}
    return Candidates(**found, rivals=Rivals(**parts))


def choose_negatives(config: ModelConfig, candidates: Candidates) -> tuple[Rows, int]:
    """The negatives of each query, and how many of them are random."""
    chosen = first_allowed(config, candidates)
    return chosen, fill(chosen, candidates.rivals, seed=config.seed)


def make_config(**changes: Any) -> ModelConfig:
    return ModelConfig(seed=0, **changes)


def mined(config: ModelConfig, rows: pa.Table, documents: Path, held_out: Collection[str], place: Path) -> Negatives:
    """What the base of a config finds in a documents folder."""
    folder = DocumentsFolder(documents)
    return mine_negatives(config, retriever_of(config), rows, folder, make_place(place), never=Never(held_out))


def texts_of(negatives: Negatives) -> list[list[str]]:
    """The negatives of each row."""
    return [list(texts) for texts in zip(*(c.to_pylist() for c in negatives.columns().values()), strict=True)]


def test_neither_the_own_document_nor_a_likely_answer_is_taken() -> None:
    chosen, num_random = choose_negatives(make_config(num_hard_negatives=2), make_candidates())
    assert chosen.tolist() == [[3, 4]]  # 2 scores 0.78, over 95 % of 0.80
    assert num_random == 0


def test_without_a_margin_the_next_best_is_taken() -> None:
    config = make_config(num_hard_negatives=2, hard_negative_margin=1.0)
    assert choose_negatives(config, make_candidates())[0].tolist() == [[2, 3]]


def test_the_first_ranks_can_be_skipped() -> None:
    config = make_config(num_hard_negatives=2, hard_negative_first_rank=5)
    assert choose_negatives(config, make_candidates())[0].tolist() == [[4, 5]]


def test_a_score_below_zero_still_leaves_a_margin_below_it() -> None:
    scores = np.array([[-0.1, -0.1, -0.101, -0.104, -0.2, -0.3]], dtype=np.float32)
    candidates = make_candidates(scores=scores, positive_scores=np.array([-0.1], dtype=np.float32))
    assert choose_negatives(make_config(num_hard_negatives=1), candidates)[0].tolist() == [[4]]


@pytest.mark.parametrize("number", [-1, 1])
def test_a_row_without_candidates_is_filled_from_other_documents(number: int) -> None:
    candidates = make_candidates(ranked=np.full((1, 6), number))
    chosen, num_random = choose_negatives(make_config(num_hard_negatives=3), candidates)
    assert num_random == 3
    assert set(chosen[0].tolist()) <= {2, 3, 4, 5}
    again, _ = choose_negatives(make_config(num_hard_negatives=3), candidates)
    assert again.tolist() == chosen.tolist()


def test_more_negatives_than_results_are_filled() -> None:
    candidates = make_candidates(ranked=np.array([[0, 3]]), scores=np.array([[0.8, 0.2]], dtype=np.float32))
    chosen, num_random = choose_negatives(make_config(num_hard_negatives=4), candidates)
    assert chosen[0, 0] == 3
    assert num_random == 3


def test_mined_negatives_are_passages_of_other_documents(base: Path, tmp_path: Path) -> None:
    rows = read_rows(ExamplesFolder(write_examples(tmp_path / "examples", count=20, documents=10)))
    documents = write_documents(tmp_path / "documents", documents=10)
    found = mined(make_config_for(base, num_hard_negatives=2), rows, documents, frozenset(), tmp_path)
    document_of = {text: f"d{number}" for number, text in enumerate(make_passages(10))}
    assert found.documents.shape == found.numbers.shape == (19, 2)
    for document, held_by, texts in zip(rows["document_id"].to_pylist(), found.documents, texts_of(found), strict=True):
        assert document not in {document_of[text] for text in texts}
        assert held_by.tolist() == text_hashes([document_of[text] for text in texts]).tolist()
    column = found.columns()["negative_1"]
    assert column.type == pa.dictionary(pa.int32(), pa.large_string()), "a text that many rows have is held once"
    assert len(column.dictionary) <= 10


def test_queries_that_are_searched_some_at_a_time_have_the_same_negatives(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_rows(ExamplesFolder(write_examples(tmp_path / "examples", count=20, documents=10)))
    documents = write_documents(tmp_path / "documents", documents=10)
    config = make_config_for(base, num_hard_negatives=3, hard_negative_last_rank=5)
    answers = text_hashes([equality_text("", text) for text in make_passages(10)])[np.arange(19) % 10][:, None]
    encoder, never = retriever_of(config), Never(frozenset(), answers)
    folder, place = DocumentsFolder(documents), make_place(tmp_path)
    at_once = mine_negatives(config, encoder, rows, folder, place, never=never)
    monkeypatch.setattr(negatives, "_QUERIES_AT_ONCE", 4)
    by_four = mine_negatives(config, encoder, rows, folder, place, never=never)
    assert texts_of(by_four) == texts_of(at_once)
    assert by_four.num_random == at_once.num_random > 0


def test_what_a_teacher_takes_for_an_answer_is_neither_mined_nor_drawn() -> None:
    hashes = text_hashes([f"text {number}" for number in range(6)])
    answers = np.array([[hashes[3], hashes[5], 0]], np.uint64)
    candidates = make_candidates(hashes=hashes, answers=answers)
    config = make_config(num_hard_negatives=2, hard_negative_last_rank=5, hard_negative_margin=0.9)
    chosen, num_random = choose_negatives(config, candidates)
    assert (chosen[0, 0], num_random) == (4, 1), "text 3 is an answer, and after text 4 only the random one is left"
    assert chosen[0, 1] in {2, 4}
    every = make_candidates(hashes=hashes, answers=hashes[None, 2:])
    assert choose_negatives(config, every)[1] == 2, "where all texts are answers, some are drawn all the same"


def test_passages_that_are_not_free_are_neither_mined_nor_drawn() -> None:
    candidates = make_candidates(is_free=np.array([True, True, True, False, False, True]))
    chosen, num_random = choose_negatives(make_config(num_hard_negatives=3), candidates)
    assert chosen[0, 0] == 5
    assert num_random == 2
    assert set(chosen[0].tolist()) <= {2, 5}


def test_nothing_of_held_out_documents_is_a_negative(base: Path, tmp_path: Path) -> None:
    """Half of the documents are held out, and one that is not has the text of one that is."""
    passages = make_passages(10)
    folder = write_documents(tmp_path / "documents", documents=10)
    table = pq.read_table(folder / "passages.parquet")
    texts = [*passages[:9], f"  {passages[0]}\n"]
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", [texts]), folder / "passages.parquet")
    rows = read_rows(ExamplesFolder(write_examples(tmp_path / "examples", count=20, documents=10)))
    rows = rows.filter(pc.is_in(rows["document_id"], pa.array([f"d{number}" for number in range(5, 10)])))
    config = make_config_for(base, num_hard_negatives=3, hard_negative_margin=1.0)
    held_out = [f"d{number}" for number in range(5)]
    found = mined(config, rows, folder, held_out, tmp_path)
    assert set(found.documents.ravel().tolist()) == set(text_hashes(["d5", "d6", "d7", "d8"]).tolist())
    assert all(passages[0] not in text for texts in texts_of(found) for text in texts)


def test_too_few_documents_beside_the_held_out_ones_are_refused(base: Path, tmp_path: Path) -> None:
    rows = read_rows(ExamplesFolder(write_examples(tmp_path / "examples", count=20, documents=10)))
    documents = write_documents(tmp_path / "documents", documents=10)
    held_out = [f"d{number}" for number in range(9)]
    with pytest.raises(UserError, match="9 held-out") as caught:
        mined(make_config_for(base, num_hard_negatives=1), rows, documents, held_out, tmp_path)
    assert caught.value.where == "model.num_hard_negatives"


def test_no_negatives_make_no_columns() -> None:
    assert NO_NEGATIVES.columns() == {}


def test_a_text_is_no_negative_of_a_document_that_holds_it_under_another_id(base: Path, tmp_path: Path) -> None:
    """Every document has a copy, so that the nearest other passage of each query is its own text."""
    rows = read_rows(ExamplesFolder(write_examples(tmp_path / "examples", count=20, documents=10)))
    folder = write_documents(tmp_path / "documents", documents=10)
    table = pq.read_table(folder / "passages.parquet")
    copies = [
        row | {"passage_id": f"copy of {row['passage_id']}", "document_id": f"copy of {row['document_id']}"}
        for row in table.to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist([*copies, *table.to_pylist()], table.schema), folder / "passages.parquet")
    config = make_config_for(base, num_hard_negatives=4, hard_negative_margin=1.0, hard_negative_last_rank=3)
    found = mined(config, rows, folder, frozenset(), tmp_path)
    for positive, texts in zip(rows["passage"].to_pylist(), texts_of(found), strict=True):
        assert positive not in texts
    assert found.num_random > 0
    name_of = {text: number for number, text in enumerate(make_passages(10))}
    both = [text_hashes([f"d{name_of[text]}", f"copy of d{name_of[text]}"]).tolist() for text in texts_of(found)[0]]
    holders = [name for names in both for name in names]
    assert sorted(found.documents[0].tolist()) == sorted(holders), "all documents that hold a negative"


def test_a_document_that_holds_every_text_has_no_negative(base: Path, tmp_path: Path) -> None:
    """Two documents say the same, so that there is no third text to tell apart."""
    folder = write_documents(tmp_path / "documents", documents=2)
    table = pq.read_table(folder / "passages.parquet")
    same = [make_passages(1)[0]] * 2
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", [same]), folder / "passages.parquet")
    rows = read_rows(ExamplesFolder(write_examples(tmp_path / "examples", count=20, documents=2)))
    with pytest.raises(UserError, match="no other text is left"):
        mined(make_config_for(base, num_hard_negatives=1), rows, folder, frozenset(), tmp_path)


def test_passages_that_are_a_title_alone_are_told_apart_by_it() -> None:
    """Beside a held-out title without a text other such passages are still free, and the same title is not."""
    hashes = text_hashes([equality_text(title, "") for title in ("bees", "wasps", "bees", "ants")])
    assert free_passages(["d0", "d1", "d2", "d3"], hashes, {"d0"}).tolist() == [False, True, False, True]

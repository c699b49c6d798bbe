"""Hard negatives: what may be taken, and what takes its place."""

from __future__ import annotations

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
from engine.text.hashes import text_hashes
from tests.support.training import make_config as make_config_for
from tests.support.training import make_passages, make_place, write_documents, write_examples
from training.config import ModelConfig
from training.negatives import NO_NEGATIVES, Candidates, choose_negatives, free_passages, mine_negatives
from training.rows import read_rows


def make_candidates(**changes: Any) -> Candidates:
    """One query on passage 0; passages 0 and 1 are of its document."""
    parts: dict[str, Any] = {
        "ranked": np.array([[0, 1, 2, 3, 4, 5]]),
        "scores": np.array([[0.80, 0.79, 0.78, 0.70, 0.60, 0.50]], dtype=np.float32),
        "positive_scores": np.array([0.80], dtype=np.float32),
        "positive_documents": np.array([0]),
        "texts": find_equal_texts(np.arange(6, dtype=np.uint64), np.array([0, 0, 1, 2, 3, 4])),
        "is_free": np.ones(6, np.bool_),
    }
    return Candidates(**(parts | changes))


def make_config(**changes: Any) -> ModelConfig:
    return ModelConfig(seed=0, **changes)


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
    documents = DocumentsFolder(write_documents(tmp_path / "documents", documents=10))
    config = make_config_for(base, num_hard_negatives=2)
    mined = mine_negatives(config, rows, documents, frozenset(), make_place(tmp_path))
    text_of = {f"d{number}": text for number, text in enumerate(make_passages(10))}
    assert [len(documents) for documents in mined.documents] == [2] * 19
    for document, negatives, texts in zip(rows["document_id"].to_pylist(), mined.documents, mined.texts, strict=True):
        assert document not in negatives
        assert texts == [text_of[negative] for negative in negatives]
    assert mined.columns()["negative_1"].to_pylist() == [texts[1] for texts in mined.texts]


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
    mined = mine_negatives(config, rows, DocumentsFolder(folder), held_out, make_place(tmp_path))
    assert {document for documents in mined.documents for document in documents} == {"d5", "d6", "d7", "d8"}
    assert all(passages[0] not in text for texts in mined.texts for text in texts)


def test_too_few_documents_beside_the_held_out_ones_are_refused(base: Path, tmp_path: Path) -> None:
    rows = read_rows(ExamplesFolder(write_examples(tmp_path / "examples", count=20, documents=10)))
    documents = DocumentsFolder(write_documents(tmp_path / "documents", documents=10))
    held_out = [f"d{number}" for number in range(9)]
    with pytest.raises(UserError, match="9 held-out") as caught:
        mine_negatives(make_config_for(base, num_hard_negatives=1), rows, documents, held_out, make_place(tmp_path))
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
    mined = mine_negatives(config, rows, DocumentsFolder(folder), frozenset(), make_place(tmp_path))
    for positive, texts in zip(rows["passage"].to_pylist(), mined.texts, strict=True):
        assert positive not in texts
    assert mined.num_random > 0


def test_a_document_that_holds_every_text_has_no_negative(base: Path, tmp_path: Path) -> None:
    """Two documents say the same, so that there is no third text to tell apart."""
    folder = write_documents(tmp_path / "documents", documents=2)
    table = pq.read_table(folder / "passages.parquet")
    same = [make_passages(1)[0]] * 2
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", [same]), folder / "passages.parquet")
    rows = read_rows(ExamplesFolder(write_examples(tmp_path / "examples", count=20, documents=2)))
    with pytest.raises(UserError, match="no other text is left"):
        mine_negatives(
            make_config_for(base, num_hard_negatives=1),
            rows,
            DocumentsFolder(folder),
            frozenset(),
            make_place(tmp_path),
        )


def test_passages_that_are_a_title_alone_are_told_apart_by_it() -> None:
    """Beside a held-out title without a text other such passages are still free, and the same title is not."""
    hashes = text_hashes([equality_text(title, "") for title in ("bees", "wasps", "bees", "ants")])
    assert free_passages(["d0", "d1", "d2", "d3"], hashes, {"d0"}).tolist() == [False, True, False, True]

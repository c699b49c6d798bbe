"""What training makes of scores: better positives, answers kept apart, columns for losses over candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.teacher import Scored
from engine.text.hashes import text_hashes
from tests.support.taught import write_folders
from tests.support.training import make_passages
from training.batches.plan import plan_batches
from training.losses.settings import Loss
from training.negatives import NO_NEGATIVES
from training.rows import columns_for_training, read_rows, row_keys
from training.teachers.config import TeacherConfig
from training.teachers.join import Taught, join_teacher
from training.teachers.queries import query_ids

TEXTS = make_passages(6)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Six documents with a query each, of which the first is held out: rows 0 to 4 are of documents 1 to 5."""
    return write_folders(tmp_path, documents=6, examples=6)


def joined(
    folders: dict[str, Path], scores: list[list[float]], *, shares_candidates: bool = False, **settings: Any
) -> Taught:
    """Row i has its own passage, and those of the two rows behind it."""
    examples = ExamplesFolder(folders["examples"])
    candidates = np.array([[1 + (row + place) % 5 for place in range(3)] for row in range(5)], np.int32)
    ids = query_ids(examples, ())
    scored = Scored(ids, candidates, np.array(scores, np.float32))
    config = TeacherConfig("fused", **settings)
    documents = DocumentsFolder(folders["documents"])
    return join_teacher(config, read_rows(examples), scored, ids, documents, shares_candidates=shares_candidates)


SCORES: list[list[float]] = [[3.0, 1, 2], [1, 3, 2], [2, 2, 0], [0, 3, 1], [3, 2, 1]]


def test_a_better_candidate_takes_the_place_of_the_own_passage(folders: dict[str, Path]) -> None:
    taught = joined(folders, SCORES, better_positive=True)
    assert taught.rows["passage"].to_pylist() == [TEXTS[row] for row in (1, 3, 3, 5, 5)]
    assert taught.rows["document_id"].to_pylist() == ["d1", "d3", "d3", "d5", "d5"]
    assert taught.rows["passage_id"].to_pylist() == ["p1", "p3", "p3", "p5", "p5"]
    assert taught.candidates[:, 0].tolist() == [1, 3, 3, 5, 5]
    assert (taught.scores[[1, 3], 0] == taught.scores[[1, 3]].max(axis=1)).all()
    assert taught.replaced == 2
    assert taught.notes()["positives that the teacher replaced"] == "2 (40%)"
    assert joined(folders, SCORES, better_positive=True, better_margin=3.0).replaced == 1, "in standard deviations"


def test_nothing_of_the_document_that_a_query_was_written_from_is_in_its_batch(folders: dict[str, Path]) -> None:
    taught = joined(folders, SCORES, better_positive=True)
    keys = taught.keys(row_keys(taught.rows, NO_NEGATIVES))
    assert keys.answers[[1, 3], 0].tolist() == text_hashes(["d2", "d4"]).tolist()
    rows = taught.rows.append_column("number", pa.array(range(5)))
    for epoch in range(20):
        for batch in plan_batches(keys, batch_size=2, world_size=1, seed=0, epoch=epoch).tolist():
            documents = rows.take(batch)["document_id"].to_pylist()
            assert not (1 in batch and "d2" in documents)


def test_candidates_that_score_as_well_are_kept_out_of_the_batches_of_a_row(folders: dict[str, Path]) -> None:
    taught = joined(folders, [[3, 1, 0], [1, 3, 0], [2, 2, 0], [3, 0, 0], [3, 0, 0]], mask_false_negatives=True)
    assert taught.rows["document_id"].to_pylist() == [f"d{number}" for number in range(1, 6)]
    assert taught.masked == 2
    keys = taught.keys(row_keys(taught.rows, NO_NEGATIVES))
    assert keys.answer_passages[[1, 2], 0].tolist() == keys.passages[[2, 3]].tolist(), "hashed as passages are"
    met = {
        tuple(sorted(batch))
        for epoch in range(60)
        for batch in plan_batches(keys, batch_size=2, world_size=1, seed=0, epoch=epoch).tolist()
    }
    assert met == {(0, 1), (0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 4), (3, 4)}, "all pairs but (1, 2) and (2, 3)"
    wide = joined(folders, SCORES, mask_false_negatives=True, mask_margin=9.0)
    assert wide.masked == 10


def test_without_a_use_rows_and_batches_stay_as_they_are(folders: dict[str, Path]) -> None:
    taught = joined(folders, SCORES)
    keys = row_keys(taught.rows, NO_NEGATIVES)
    assert taught.keys(keys).negatives is keys.negatives
    assert taught.rows.equals(read_rows(ExamplesFolder(folders["examples"])))
    assert taught.notes() == {"candidates per query": "3"}


def test_a_loss_over_candidates_reads_texts_and_scores_in_standard_deviations(folders: dict[str, Path]) -> None:
    taught = joined(folders, SCORES)
    columns = columns_for_training(taught.with_candidates(), NO_NEGATIVES, Loss.kl)
    assert columns.column_names == ["query", "candidate_0", "candidate_1", "candidate_2", "teacher_scores"]
    assert columns["candidate_1"].to_pylist() == [TEXTS[row] for row in (2, 3, 4, 5, 1)]
    assert columns.schema.field("teacher_scores").type == pa.list_(pa.float32(), 3)
    scores = np.array(columns["teacher_scores"].to_pylist())
    assert scores.std(axis=1).mean() == pytest.approx(1)
    assert np.allclose(scores * np.array(SCORES).std(axis=1).mean(), SCORES, atol=1e-5)


def test_no_row_of_a_batch_has_another_rows_candidate_as_its_positive(folders: dict[str, Path]) -> None:
    """Each row has those of the two rows behind it, so that of five rows no two can meet."""
    taught = joined(folders, SCORES)
    keys = taught.keys(row_keys(taught.with_candidates(), NO_NEGATIVES))
    assert keys.negative_passages[0].tolist() == keys.passages[[1, 2]].tolist()
    assert plan_batches(keys, batch_size=2, world_size=1, seed=0, epoch=0).size == 0


def test_where_candidates_are_shared_they_keep_rows_about_any_document_that_holds_them_away(
    folders: dict[str, Path],
) -> None:
    """Document 0 gets the text of document 3 too, so that a candidate of text 3 is in the batch of neither."""
    table = pq.read_table(folders["documents"] / "passages.parquet")
    rows = table.to_pylist()
    rows.append(rows[3] | {"passage_id": "copy", "document_id": "d0"})
    pq.write_table(pa.Table.from_pylist(rows, table.schema), folders["documents"] / "passages.parquet")
    assert not len(joined(folders, SCORES).beside), "nothing to keep apart where each query has its own candidates"
    taught = joined(folders, SCORES, shares_candidates=True)
    keys = taught.keys(row_keys(taught.rows, NO_NEGATIVES))
    names = [{"d2", "d3", "d0"}, {"d3", "d0", "d4"}, {"d4", "d5"}, {"d5", "d1"}, {"d1", "d2"}]
    for row, expected in enumerate(names):
        assert set(keys.negatives[row].tolist()) - {0} == set(text_hashes(sorted(expected)).tolist())


def test_a_query_that_could_not_be_scored_is_left_out(folders: dict[str, Path]) -> None:
    scores = [list(row) for row in SCORES]
    scores[2][1] = float("nan")
    taught = joined(folders, scores, better_positive=True, mask_false_negatives=True)
    assert (taught.rows.num_rows, taught.unscored, len(taught.scores)) == (4, 1, 4)
    assert taught.rows["document_id"].to_pylist() == ["d1", "d3", "d5", "d5"]
    assert taught.notes()["queries that the teacher could not score"] == "1"


def test_scores_that_are_all_equal_are_divided_by_nothing(folders: dict[str, Path]) -> None:
    assert joined(folders, [[2.0, 2, 2]] * 5).scores.tolist() == [[2.0, 2, 2]] * 5


def test_scores_of_other_examples_are_a_fault(folders: dict[str, Path]) -> None:
    examples = ExamplesFolder(folders["examples"])
    scored = Scored(np.arange(5), np.zeros((5, 2), np.int32), np.zeros((5, 2), np.float32))
    rows, ids, documents = read_rows(examples), query_ids(examples, ()), DocumentsFolder(folders["documents"])
    with pytest.raises(AssertionError, match="other examples"):
        join_teacher(TeacherConfig("fused"), rows, scored, ids, documents)

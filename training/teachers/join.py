"""What training makes of a teacher: better positives, false negatives kept apart, candidates with their scores.

In: the training rows, and the teacher folder about them. Out: the rows as they are trained on, what they must not share
a batch with beyond that, and columns for the losses that read candidates. Scores are divided by their mean standard
deviation among the candidates of a query, so that a margin or a temperature means the same whatever teacher there is.

Where another passage takes the place of a query's own, the query was still written from the own one, which answers it
too: nothing of its document may be a negative. A candidate that scores as well as the positive may be another answer.
Both are kept out of a row's batches by the planner of batches, whether another row has them as its passage or as a
negative. Where all queries of a batch are ranked against the candidates of each other, a candidate keeps rows about its
document away, as a mined negative does. No loss has to know of it, and it holds across workers and for GradCache, where
a mask over scores would have to be made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.artifacts.documents import passage_text
from engine.artifacts.teacher import Scored
from engine.search.equal_texts import find_equal_texts
from engine.text.hashes import Hashes, Integers, text_hashes
from training.batches.columns import TEACHER_SCORES
from training.holders import holders
from training.teachers.figures import is_scored

if TYPE_CHECKING:
    from engine.artifacts.documents import DocumentsFolder
    from training.batches.keys import RowKeys
    from training.teachers.config import TeacherConfig

_NOTHING = np.uint64(0)
"""The hash of what no row is about."""


@dataclass(frozen=True, eq=False)
class Taught:
    """The rows that are trained on with a teacher, n of them, each with k candidates."""

    rows: pa.Table
    """As `training.rows.read_rows` gives them; of replaced positives the passage and its ids are the better one's."""
    candidates: Integers
    """Rows of passages.parquet, the positive first, (n, k)."""
    scores: NDArray[np.float32]
    """In standard deviations, (n, k)."""
    sources: Hashes
    """The document that a query was written from where its positive is another; 0 where it is not, (n, 1)."""
    answers: Hashes
    """The candidates that may be answers too, hashed as passages are; 0 for the others, (n, k - 1)."""
    beside: Hashes
    """The documents that hold the other candidates, hashed; (0, 0) where no other query is ranked against these."""
    passages: pa.Table
    """The columns passage_id, document_id, title and text of all passages."""
    unscored: int
    """Rows that are left out, because the teacher could not score them."""

    @property
    def replaced(self) -> int:
        """Returns the number of rows whose positive is not their own passage."""
        return int((self.sources != _NOTHING).sum())

    @property
    def masked(self) -> int:
        """Returns the number of candidates that are kept out of the batches of their rows."""
        return int((self.answers != _NOTHING).sum())

    def notes(self) -> dict[str, str]:
        """Returns what the teacher did, for the model's card and the terminal."""
        count = self.rows.num_rows
        notes = {"candidates per query": str(self.candidates.shape[1])}
        if self.replaced:
            notes["positives that the teacher replaced"] = f"{self.replaced:,} ({self.replaced / count:.0%})"
        if self.masked:
            notes["candidates that may be answers, kept apart"] = f"{self.masked:,}"
        if self.unscored:
            notes["queries that the teacher could not score"] = f"{self.unscored:,}"
        return notes

    def keys(self, keys: RowKeys) -> RowKeys:
        """Adds to what rows must not share a batch with."""
        negatives = np.concatenate([keys.negatives, self.beside], axis=1) if len(keys.negatives) else self.beside
        return replace(
            keys,
            negatives=negatives if len(self.beside) else keys.negatives,
            answers=_unless_empty(self.sources),
            answer_passages=_unless_empty(self.answers),
        )

    def with_candidates(self) -> pa.Table:
        """Returns the rows with the columns of a loss over candidates: candidate_0, candidate_1 ..., teacher_scores.

        Texts are dictionaries, since a passage is a candidate of many queries.
        """
        rows = self.rows
        for place, numbers in enumerate(self.candidates.T):
            rows = rows.append_column(f"candidate_{place}", _texts(self.passages, numbers))
        scores = pa.FixedSizeListArray.from_arrays(pa.array(self.scores.ravel()), self.scores.shape[1])
        return rows.append_column(TEACHER_SCORES, scores)


def join_teacher(
    config: TeacherConfig,
    rows: pa.Table,
    scored: Scored,
    ids: Integers,
    documents: DocumentsFolder,
    *,
    shares_candidates: bool = False,
) -> Taught:
    """Joins the training rows with what a teacher thinks of their candidates.

    Args:
        config: what the scores are used for.
        rows: the rows, (n,), as `training.rows.read_rows` gives them.
        scored: the candidates and scores of the same examples in the same order.
        ids: their sample ids, (n,).
        documents: the folder whose passages the candidates are.
        shares_candidates: whether each query is ranked against the candidates of all queries of its batch.
    """
    assert np.array_equal(scored.ids, ids), "the teacher scored other examples than those that are trained on"
    known = is_scored(scored.scores)
    candidates, scores = scored.candidates[known].astype(np.int64), scored.scores[known].astype(np.float64)
    rows = rows if known.all() else rows.filter(pa.array(known))
    scores /= _spread(scores)
    passages = documents.passages(["passage_id", "document_id", "title", "text"]).combine_chunks()
    sources = np.full((len(candidates), 1), _NOTHING)
    if config.better_positive:
        best = 1 + np.argmax(scores[:, 1:], axis=1)
        is_better = scores[np.arange(len(scores)), best] > scores[:, 0] + config.better_margin
        sources[is_better, 0] = _document_hashes(passages, candidates[is_better, 0])
        swapped = np.flatnonzero(is_better)
        for values in (candidates, scores):
            values[swapped, best[swapped]], values[swapped, 0] = values[swapped, 0], values[swapped, best[swapped]]
        rows = _with_passages(rows, passages, candidates[:, 0])
    answers = np.full((len(candidates), candidates.shape[1] - 1), _NOTHING)
    if config.mask_false_negatives:
        may_answer = scores[:, 1:] >= scores[:, :1] - config.mask_margin
        answers[may_answer] = documents.text_hashes()[candidates[:, 1:][may_answer]]
    beside = _holders(documents, passages, candidates[:, 1:]) if shares_candidates else np.empty((0, 0), np.uint64)
    unscored = len(known) - len(candidates)
    return Taught(rows, candidates, scores.astype(np.float32), sources, answers, beside, passages, unscored)


def _spread(scores: NDArray[np.float64]) -> float:
    """Returns the mean standard deviation among the scores of a query; 1 where all are equal."""
    spread = float(scores.std(axis=1).mean()) if len(scores) else 0.0
    return spread or 1.0


def _document_hashes(passages: pa.Table, numbers: Integers) -> Hashes:
    """Hashes the ids of the documents of passages, given in any shape, as `training.rows.row_keys` does."""
    distinct, codes = np.unique(numbers, return_inverse=True)
    hashes = text_hashes(passages["document_id"].take(pa.array(distinct)).to_pylist())
    return hashes[codes.reshape(numbers.shape)]


def _with_passages(rows: pa.Table, passages: pa.Table, numbers: Integers) -> pa.Table:
    """Puts other passages and their ids into the rows."""
    columns = {"passage": _texts(passages, numbers)}
    distinct, codes = np.unique(numbers, return_inverse=True)
    for name in ("passage_id", "document_id"):
        columns[name] = _dictionary(codes, passages[name].take(pa.array(distinct)).to_pylist())
    for name, column in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, column)
    return rows


def _texts(passages: pa.Table, numbers: Integers) -> pa.DictionaryArray:
    """Returns what an encoder reads of passages, each text once."""
    distinct, codes = np.unique(numbers, return_inverse=True)
    taken = passages.select(["title", "text"]).take(pa.array(distinct))
    return _dictionary(codes, list(map(passage_text, taken["title"].to_pylist(), taken["text"].to_pylist())))


def _dictionary(codes: Integers, texts: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts, pa.large_string()))


def _holders(documents: DocumentsFolder, passages: pa.Table, numbers: Integers) -> Hashes:
    """Returns hashes of the documents that hold the texts of passages, given by row, (rows, passages)."""
    encoded = passages["document_id"].combine_chunks().dictionary_encode()
    texts = find_equal_texts(documents.text_hashes(), encoded.indices.to_numpy().astype(np.int64))
    return holders(texts, texts.text_of[numbers], encoded.dictionary.to_pylist())


def _unless_empty(hashes: Hashes) -> Hashes:
    """Returns the hashes; (0, 0) where they say nothing."""
    return hashes if (hashes != _NOTHING).any() else np.empty((0, 0), np.uint64)

"""The scores of a teacher that reads query and passage together: a cross-encoder, or a model that was asked about them.

In: documents, examples, the candidates, and the answers of the model where one was asked. Out: a teacher folder with
the same candidates. A query of which an answer failed keeps a score that is no number, and is not trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.pairs import number_pairs, read_figures
from engine.artifacts.teacher import Numbers, Scored, Scores, TeacherFolder, TeacherRecord, write_scored
from engine.errors import UserError
from engine.search.cross_encoder import TRAINED_INPUT
from training.teachers.config import KEY
from training.teachers.figures import Tally
from training.teachers.queries import distinct_queries, query_batches
from training.teachers.settings import ANSWERS, CANDIDATES, ScoringConfig

if TYPE_CHECKING:
    from engine.runtime.place import Place

_QUERIES_AT_ONCE = 256
"""The queries whose pairs are texts in memory at a time."""

_Score = Callable[[slice, list[str], Numbers], Scores]
"""Takes which of all queries these are, their texts and their candidates, (n, k); gives the scores, (n, k)."""


def score_candidates(config: ScoringConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> TeacherRecord:
    """Scores the candidates of every training query.

    Args:
        config: what scores them.
        inputs: the finished folders `documents`, `examples` and `candidates`; `answers`, of the samples step that asked
            about them, where a criterion reads those; `cross_encoder` where an earlier step trained one.
        output: becomes a teacher folder.
        place: where the step runs.

    Raises:
        UserError: the cross-encoder cannot be loaded, or no query has a score.
    """
    examples, candidates = ExamplesFolder(inputs["examples"]), TeacherFolder(inputs[CANDIDATES])
    found, record = candidates.read(), candidates.record()
    score = _by_answers(config, inputs) if config.criterion else _by_cross_encoder(config, inputs, place)
    tally = Tally()
    with (
        TeacherFolder(output).writing(record.candidates) as writer,
        place.console.progress("teacher", record.queries, "queries") as bar,
    ):
        for batch in query_batches(examples, ["query"], config.reasons, _QUERIES_AT_ONCE):
            part = slice(tally.queries, tally.queries + batch.num_rows)
            scores = score(part, batch["query"].to_pylist(), found.candidates[part])
            write_scored(writer, Scored(found.ids[part], found.candidates[part], scores))
            tally.add(scores)
            bar.advance(batch.num_rows)
    assert tally.queries == len(found.ids), "candidates were found for other examples"
    if tally.unscored == tally.queries:
        remedy = "look at the errors of the answers (RUN/teaching/scores/samples), or name another teacher"
        raise UserError("the teacher scored no query", where=f"{KEY}.by", remedy=remedy)
    record = tally.record(record.candidates, record.drawn)
    place.console.step("teacher", record.in_words())
    return record


def _by_answers(config: ScoringConfig, inputs: Mapping[str, Path]) -> _Score:
    """Looks scores up among the answers of a model, 8 bytes each."""
    assert config.criterion, "it says in which columns a figure stands"
    query_of, _ = distinct_queries(ExamplesFolder(inputs["examples"]), config.reasons)
    numbers = number_pairs(TeacherFolder(inputs[CANDIDATES]).read().candidates.astype(np.int64), query_of).numbers
    figures = read_figures(inputs[ANSWERS], config.criterion, numbers).astype(np.float32)
    return lambda part, queries, candidates: figures[part]  # noqa: ARG005 (as every way to score is called)


def _by_cross_encoder(config: ScoringConfig, inputs: Mapping[str, Path], place: Place) -> _Score:
    """Has a cross-encoder read each query with its candidates."""
    from engine.search.cross_encoder import load_cross_encoder

    assert config.cross_encoder, "a cross-encoder scores, or a criterion"
    named = config.cross_encoder
    scorer = load_cross_encoder(named if named.model else replace(named, model=str(inputs[TRAINED_INPUT])), place)
    passages = DocumentsFolder(inputs["documents"]).passages(["title", "text"]).combine_chunks()

    def score(_: slice, queries: list[str], candidates: Numbers) -> Scores:
        distinct, places = np.unique(candidates, return_inverse=True)
        taken = passages.take(pa.array(distinct))
        texts = list(map(passage_text, taken["title"].to_pylist(), taken["text"].to_pylist()))
        asked = [query for query in queries for _ in range(candidates.shape[1])]
        scores = scorer.score(asked, [texts[place] for place in places.ravel().tolist()])
        return scores.reshape(candidates.shape)

    return score

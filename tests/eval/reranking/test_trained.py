"""The cross-encoder that a run trained: what it adds is told without flattery, and nothing is reranked without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.systems import Bm25System
from eval.crossfit import CHOSEN
from eval.recommendation import CorpusSystems
from eval.report import Recommendation
from eval.reranking.trained import reranked_values, trained_reranker, with_gain
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import HEADLINE, Scores
from eval.retrieval.ranking import Results
from tests.support.given_report import made_curve
from tests.support.models import write_cross_encoder
from tests.support.places import quiet_place
from tests.support.small_run import CHOSEN as BASE_WORDS
from tests.support.small_run import small_benchmark, small_config

IDS = [f"p{number}" for number in range(4)]
TEXTS = [f"word{number} word{number + 1}" for number in range(4)]
WORDS = Bm25System(Bm25Index(IDS, TEXTS))
SYSTEMS = CorpusSystems(
    {name: replace(WORDS, name=name) for name in ("bm25", "base", "tuned")},
    Corpus(IDS, IDS, [""] * 4, TEXTS),
    str.split,
)


def test_the_chosen_system_is_reranked_where_a_cross_encoder_was_trained(tmp_path: Path) -> None:
    folder, place, config = write_cross_encoder(tmp_path), quiet_place(tmp_path), small_config()
    inputs = {"cross_encoder": folder}
    [system] = trained_reranker(config, inputs, SYSTEMS, BASE_WORDS, place)
    assert (system.name, system.first.name, system.depth) == ("base_words@50@trained", "base_words", 50)
    by_words = replace(BASE_WORDS, choice=replace(BASE_WORDS.choice, weight=1.0))
    few = replace(config, trained_reranker_depth=3)
    [system] = trained_reranker(few, inputs, SYSTEMS, by_words, place)
    assert (system.name, system.depth) == ("bm25@3@trained", 3)
    [rows], _ = system.prepare(["word1"])(4)
    assert sorted(rows[rows >= 0].tolist()) == [0, 1], "what the first stage finds"
    off = replace(config, trained_reranker_depth=0)
    for none in ((config, {}, BASE_WORDS), (config, inputs, None), (off, inputs, BASE_WORDS)):
        assert trained_reranker(none[0], none[1], SYSTEMS, none[2], place) == []


def test_a_reranked_query_counts_what_a_choice_without_it_reaches_and_what_reranking_adds() -> None:
    columns = {"base_words": [0.5, 0.25, 0.0], "base_words@50@trained": [0.75, 0.25, 0.5]}
    scores = {name: Scores(("a", "b", "c"), {HEADLINE: np.array(column)}) for name, column in columns.items()}
    results = Results(small_benchmark(), {}, scores)
    reranked = [replace(WORDS, name="base_words@50@trained")]
    crossfitted = {CHOSEN: np.array([0.25, 0.25, 0.0])}
    [(name, values)] = reranked_values(results, reranked, BASE_WORDS, crossfitted).items()
    assert name == "base_words@50@trained"
    assert values.tolist() == [0.5, 0.25, 0.5]


def test_the_deepest_point_of_its_curve_decides() -> None:
    curve, advised = made_curve("base_words"), Recommendation(BASE_WORDS.choice, 18, {})
    told = with_gain(advised, {"trained": curve, "other": curve})
    assert told
    assert told.reranker
    assert (told.reranker.depth, told.reranker.is_recommended) == (100, True)
    assert told.reranker.gain.mean == pytest.approx(0.071)
    until_five = replace(curve, points=curve.points[:2])
    told = with_gain(advised, {"trained": until_five})
    assert told
    assert told.reranker
    assert told.reranker.gain.low == pytest.approx(0.01)
    assert with_gain(advised, {"other": curve}) == advised
    assert with_gain(None, {"trained": curve}) is None

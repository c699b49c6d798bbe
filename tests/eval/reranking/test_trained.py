"""The cross-encoder that a run trained: what it adds is told without flattery, and nothing is reranked without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.order import Scores as PassageScores
from engine.search.reranked import RerankedSystem
from engine.search.systems import Bm25System, System
from eval.crossfit import Chosen, Selection
from eval.evaluation import conclude, with_recommendation
from eval.recommendation import CorpusSystems
from eval.report import Recommendation
from eval.reranking.trained import reranked_values, trained_reranker, with_gain
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import HEADLINE
from eval.retrieval.ranking import measure
from eval.weights import FOLDS, fold_of
from tests.support.given_report import made_curve
from tests.support.models import write_cross_encoder
from tests.support.places import quiet_place
from tests.support.small_run import CHOSEN as BASE_WORDS
from tests.support.small_run import small_config

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


NAMES = [f"d{number:02}" for number in range(40)]
GROUPED = Corpus(NAMES, NAMES, [""] * 40, [f"group{number // 8} word{number}" for number in range(40)])
SOME = Bm25System(Bm25Index(NAMES, [text.split()[0] for text in GROUPED.texts]), name="base")
"""Finds the eight documents of a group, all alike."""
EXACT = Bm25System(Bm25Index(NAMES, [text.split()[1] for text in GROUPED.texts]))
"""Finds the only relevant document."""
DIFFERING = CorpusSystems({"bm25": EXACT, "base": SOME, "tuned": replace(SOME, name="tuned")}, GROUPED, str.split)
ASKED = Benchmark(
    "made",
    {f"q{number:02}": f"group{number // 8} word{number}" for number in reversed(range(40))},
    {f"q{number:02}": {name: 1} for number, name in enumerate(NAMES)},
)
BY_WORDS, BY_MEANING = Selection("base", 1.0, 0.5), Selection("base", 0.0, 0.5)
BY_FOLDS = Chosen(
    replace(BASE_WORDS.choice, weight=0.0), 0.5, [BY_WORDS if fold % 2 else BY_MEANING for fold in range(FOLDS)]
)
IS_BY_WORDS = np.array([fold_of(name) % 2 == 1 for name in sorted(ASKED.queries)])


class Mistaken:
    """Likes the passage that is the query, and for every third query all others more."""

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> PassageScores:
        """Compares texts."""
        signs = [-1 if int(query.split("word")[1]) % 3 == 0 else 1 for query in queries]
        equal = [query == passage for query, passage in zip(queries, passages, strict=True)]
        return np.array([sign * is_it for sign, is_it in zip(signs, equal, strict=True)], np.float32)


def reranked_behind(first: System) -> RerankedSystem:
    """The first eight passages of a system, reranked."""
    ranks = GROUPED.ranks_of_ids
    return RerankedSystem(f"{first.name}@8@trained", first, Mistaken(), GROUPED.texts, ranks, depth=8)


def test_a_reranked_query_counts_what_is_measured_reranked_behind_the_choice_without_it() -> None:
    measured = measure(ASKED, [reranked_behind(EXACT), reranked_behind(SOME)], GROUPED, 100)
    of_exact, of_some = (scores.values[HEADLINE] for scores in measured.scores.values())
    assert of_exact.min() == 1 > of_some.mean()
    assert 5 < IS_BY_WORDS.sum() < 35
    [(name, column)] = reranked_values(ASKED, [reranked_behind(SOME)], DIFFERING, BY_FOLDS, 100).items()
    assert name == "base@8@trained"
    assert column.tolist() == np.where(IS_BY_WORDS, of_exact, of_some).tolist()
    alike = replace(BY_FOLDS, folds=[BY_MEANING] * FOLDS)
    [column] = reranked_values(ASKED, [reranked_behind(SOME)], DIFFERING, alike, 100).values()
    assert column.tolist() == of_some.tolist(), "chosen alike without each part of the queries, it is what was measured"


class Alike:
    """Scores all pairs alike, those of an empty query too."""

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> PassageScores:
        """Gives zeros."""
        return np.zeros(len(passages), np.float32)


def test_a_query_without_words_counts_nothing_reranked_or_not() -> None:
    asked = Benchmark("made", {"q1": "group0 word1", "q2": " "}, {"q1": {"d01": 1}, "q2": {"d39": 1}})
    [[first]], _ = SOME.prepare([""])(1)
    assert NAMES[first] == "d39", "search by words finds it for an empty text"
    reranked = replace(reranked_behind(SOME), scorer=Alike())
    [column] = reranked_values(asked, [reranked], DIFFERING, BY_FOLDS, 100).values()
    assert column[1] == 0
    assert {name: values[1] for name, values in DIFFERING.crossfit(asked, BY_FOLDS).items()} == dict.fromkeys(
        ("(chosen)", "base_words", "tuned_words"), 0
    )
    measured = measure(asked, [*DIFFERING.systems.values(), reranked], GROUPED, 100)
    assert [scores.values[HEADLINE][1] for scores in measured.scores.values()] == [0] * 4
    assert measured.trec_runs["base@8@trained"]["q2"] == {}


def test_no_query_counts_less_than_0_or_more_than_1_in_a_report() -> None:
    by_all = measure(ASKED, list(DIFFERING.systems.values()), GROUPED, 100)
    evaluation = conclude(small_config(), GROUPED, by_all, by_all, analyser="made")
    reranked = [reranked_behind(SOME)]
    told = with_recommendation(small_config(), evaluation, DIFFERING, BY_FOLDS, 18, reranked=reranked)
    column, plain = told.crossfitted["base@8@trained"], by_all.scores["base"].values[HEADLINE]
    assert (1 + 1 - plain[IS_BY_WORDS]).max() > 1, "where one choice finds what another reranked finds"
    assert 0 <= column.min() <= column.max() <= 1
    assert told.recommendation
    assert told.recommendation.systems["base@8@trained"].mean == pytest.approx(column.mean(), abs=1e-4)


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

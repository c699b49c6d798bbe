"""A query is won by the one system that answers it better than all others, and is shown with every system's rank."""

from __future__ import annotations

import numpy as np

from eval.page.wins import find_wins
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import evaluate
from eval.retrieval.ranking import Results

CORPUS = Corpus(list("123"), list("abc"), ["A", "", ""], ["red fox", "red hen", "blue hen"])
QRELS = {"p": {"a": 1}, "q": {"b": 1}, "r": {"c": 1}}
RUNS = {
    "bm25": {"p": {"a": 2.0, "b": 1.0}, "q": {"a": 2.0, "b": 1.0}, "r": {"c": 1.0}},
    "base": {"p": {"b": 2.0, "a": 1.0}, "q": {"b": 2.0}, "r": {"c": 1.0}},
    "tuned": {"p": {"b": 2.0}, "q": {"a": 2.0, "c": 1.5, "b": 1.0}, "r": {"c": 1.0}},
}


def results_of(names: list[str]) -> Results:
    """What these systems reach."""
    runs = {name: RUNS[name] for name in names}
    benchmark = Benchmark("made", {"p": "fox", "q": "hen", "r": "blue"}, QRELS)
    return Results(benchmark, runs, {name: evaluate(run, QRELS) for name, run in runs.items()})


def test_each_system_is_shown_with_what_it_alone_answers_best() -> None:
    wins = find_wins(results_of(["bm25", "base", "tuned"]), CORPUS)
    assert {name: won.count for name, won in wins.items()} == {"bm25": 1, "base": 1, "tuned": 0}
    best = wins["bm25"].clearest[0]
    assert (best.query_id, best.query, best.document_id, best.passage) == ("p", "fox", "a", "A: red fox")
    assert best.ranks == {"bm25": 1, "base": 2, "tuned": 0}
    assert np.isclose(best.margin, 1 - 1 / np.log2(3)), "over the next best one"
    assert wins["tuned"].clearest == []


def test_one_system_wins_nothing() -> None:
    assert find_wins(results_of(["bm25"]), CORPUS) == {}
    scores = {name: evaluate({}, {}) for name in ("bm25", "base")}
    none = Results(Benchmark("none", {}, {}), {"bm25": {}, "base": {}}, scores)
    assert find_wins(none, CORPUS) == {}

"""Figures of a set of queries: every system and metric with its interval, and the paired difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import SYSTEMS, Corpus
from eval.retrieval.figures import RetrievalFigures, compare, resample
from eval.retrieval.metrics import METRICS, Floats, Scores
from eval.retrieval.ranking import Results
from eval.significance import Bootstrap
from tests.support.small_run import build_run, small_evaluation


def figures_of(root: Path) -> RetrievalFigures:
    """The figures of the small run's benchmark."""
    evaluation = small_evaluation(build_run(root))
    return compare(
        evaluation.shown, evaluation.corpus.document_ids, resample(evaluation.shown, Bootstrap(resamples=500))
    )


def test_retrieval_has_every_system_metric_and_interval(tmp_path: Path) -> None:
    figures = figures_of(tmp_path)
    for name in SYSTEMS:
        assert figures.means(name).keys() == figures.ci95[name].keys() == set(METRICS)
        low, high = figures.ci95[name]["ndcg@10"]
        assert low <= figures.means(name)["ndcg@10"] <= high
    difference = figures.difference["ndcg@10"]
    assert difference.mean == pytest.approx(figures.tuned["ndcg@10"] - figures.base["ndcg@10"])
    assert difference.low <= difference.mean <= difference.high
    assert figures.queries == 5
    assert figures.left_out == {"demonstration": 1}
    assert figures.relevant_documents_missing == 0


def test_the_interval_is_the_bootstraps(tmp_path: Path) -> None:
    scores = small_evaluation(build_run(tmp_path / "a")).shown.scores
    values = scores["tuned"].values["mrr@10"] - scores["base"].values["mrr@10"]
    resampled = Bootstrap(resamples=500).resample({"mrr@10": values}, scores["base"].query_ids)["mrr@10"]
    expected = replace(resampled, limits=(-1.0, 1.0)).figures()
    difference = figures_of(tmp_path / "b").difference["mrr@10"]
    assert difference.mean == expected.mean
    assert difference.ci95 == pytest.approx(expected.ci95)
    assert difference.p == expected.p


def test_queries_of_people_are_independent_and_synthetic_ones_by_their_document(tmp_path: Path) -> None:
    evaluation = small_evaluation(build_run(tmp_path))
    judged, held_out = evaluation.retrieval["tiny"], evaluation.held_out_figures
    assert (judged.cluster, judged.clusters, judged.queries) == ("query", 5, 5)
    assert (held_out.cluster, held_out.clusters, held_out.queries) == ("document", 5, 8)
    assert evaluation.decision.documents == 5


def test_copies_of_documents_are_no_further_evidence() -> None:
    """Equal queries of a copy under another id leave intervals as they are, and do not count as documents."""
    values = np.random.default_rng(0).uniform(0.2, 0.8, 12)
    documents = [f"d{number}" for number in range(12)]
    names = [*documents, *(f"copy of {name}" for name in documents)]
    corpus = Corpus(names, names, [""] * 24, [f"text{space}{number}" for space in (" ", "\n") for number in range(12)])
    alone, doubled = (
        resample(results_of(np.tile(values, times), names), Bootstrap(500), corpus.original_of) for times in (1, 2)
    )
    assert doubled.difference["ndcg@10"].clusters == 12
    assert doubled.difference["ndcg@10"].figures().ci95 == pytest.approx(alone.difference["ndcg@10"].figures().ci95)


def results_of(differences: Floats, documents: Sequence[str]) -> Results:
    """Results where tuned differs by so much on each query, which is of the document at its place."""
    ids = tuple(f"sample-{number:02}" for number in range(len(differences)))
    scores = {name: Scores(ids, dict.fromkeys(METRICS, np.zeros(len(ids)))) for name in ("bm25", "base")}
    scores["tuned"] = Scores(ids, dict.fromkeys(METRICS, differences))
    benchmark = Benchmark("held_out", dict.fromkeys(ids, ""), {}, sources=dict(zip(ids, documents, strict=False)))
    return Results(benchmark, {}, scores)


def test_no_mean_is_said_to_lie_outside_of_what_a_metric_can_be(tmp_path: Path) -> None:
    figures = figures_of(tmp_path)  # five questions, so that the t intervals are wide
    bounds = [bound for metrics in figures.ci95.values() for interval in metrics.values() for bound in interval]
    assert min(bounds) == 0
    assert max(bounds) == 1
    assert -1 <= figures.difference["ndcg@10"].low < 0, "differences end at other limits"


def test_scores_of_different_queries_are_a_defect(tmp_path: Path) -> None:
    results = small_evaluation(build_run(tmp_path)).shown
    other = Scores(("q9", *results.scores["tuned"].query_ids[1:]), results.scores["tuned"].values)
    with pytest.raises(AssertionError, match="same queries"):
        resample(replace(results, scores={**results.scores, "tuned": other}), Bootstrap(resamples=10))


def test_documents_that_the_run_lacks_are_counted(tmp_path: Path) -> None:
    results = small_evaluation(build_run(tmp_path)).shown
    resamples = resample(results, Bootstrap(resamples=10))
    assert compare(results, ["apples", "tea"], resamples).relevant_documents_missing == 4


def test_every_system_has_its_means(tmp_path: Path) -> None:
    figures = figures_of(tmp_path)
    assert [figures.means(name) for name in SYSTEMS] == [figures.bm25, figures.base, figures.tuned]
    with pytest.raises(KeyError):
        figures.means("unknown")

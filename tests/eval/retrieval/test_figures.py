"""Figures of a set of queries: every system and metric with its interval, and the paired difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eval.retrieval.figures import RetrievalFigures, compare, resample
from eval.retrieval.metrics import METRICS, Scores
from eval.retrieval.systems import SYSTEMS
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


def test_no_mean_is_said_to_lie_outside_of_what_a_metric_can_be(tmp_path: Path) -> None:
    figures = figures_of(tmp_path)  # five questions, so that the t intervals are wide
    bounds = [bound for metrics in figures.ci95.values() for interval in metrics.values() for bound in interval]
    assert min(bounds) == 0
    assert max(bounds) == 1
    assert figures.difference["ndcg@10"].low < 0, "differences are not cut"


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

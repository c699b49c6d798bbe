"""nDCG@10 is trec_eval's, and intervals go by cluster."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval

from training.validation.plan import ValidationPlan
from training.validation.scores import interval, mean, ndcg


def make_plan(clusters: list[str], num_judged: int = 0) -> ValidationPlan:
    """A plan of which only the units of the queries count."""
    count = len(clusters)
    return ValidationPlan(1, ("",) * count, (), (), ({0: 1},) * count, tuple(clusters), num_judged)


def test_it_is_the_ndcg_of_trec_eval_over_documents() -> None:
    rng = np.random.default_rng(0)
    documents = rng.permutation(np.repeat(np.arange(25), 3)).tolist()
    grades = tuple(
        {
            int(document): int(grade)
            for document, grade in zip(rng.choice(25, 4, replace=False), [1, 1, 2, 3], strict=True)
        }
        for _ in range(30)
    )
    similarities = rng.normal(size=(30, 75)).astype(np.float32)
    plan = ValidationPlan(1, ("",) * 30, ("",) * 75, tuple(documents), grades, ("",) * 30)
    qrels = {
        f"{query}": {f"{document}": grade for document, grade in judged.items()} for query, judged in enumerate(grades)
    }
    found = {
        f"{query}": {
            f"{document}": float(max(row[place] for place, owner in enumerate(documents) if owner == document))
            for document in range(25)
        }
        for query, row in enumerate(similarities)
    }
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(found)
    assert ndcg(plan, similarities) == pytest.approx(
        [theirs[f"{query}"]["ndcg_cut_10"] for query in range(30)], abs=1e-6
    )


def test_each_kind_of_queries_counts_one_half() -> None:
    values = np.array([0.2, 0.4, 0.6, 1.0])
    assert mean(make_plan(list("abcd")), values) == pytest.approx(0.55)
    assert mean(make_plan(list("abcd"), num_judged=1), values) == pytest.approx((0.4 + 1.0) / 2)
    assert mean(make_plan(list("abcd"), num_judged=4), values) == pytest.approx(0.55)


def test_the_interval_is_that_of_the_means_of_the_clusters() -> None:
    rng = np.random.default_rng(1)
    differences = np.repeat(rng.normal(0.1, 0.2, 12), 5)
    by_cluster = interval(make_plan([f"d{number // 5}" for number in range(60)]), differences, 0.99)
    centre, error = differences.mean(), differences[::5].std(ddof=1) / np.sqrt(12)
    assert by_cluster == pytest.approx((centre - 3.10581 * error, centre + 3.10581 * error), rel=1e-4)
    alone = interval(make_plan([f"q{number}" for number in range(60)]), differences, 0.99)
    assert alone[1] - alone[0] < 0.5 * (by_cluster[1] - by_cluster[0]), "copies are no evidence"


def test_chance_stops_hardly_any_training() -> None:
    rng, plan = np.random.default_rng(2), make_plan([f"d{number // 4}" for number in range(120)])
    draws = (np.repeat(rng.normal(0, 0.1, 30), 4) + rng.normal(0, 0.1, 120) for _ in range(1_000))
    harmed = sum(interval(plan, differences, 0.99)[1] < 0 for differences in draws)
    assert harmed <= 15, "5 are expected"

"""Every metric agrees with trec_eval, ties and grades included."""

from __future__ import annotations

import random

import numpy as np
import pytest
import pytrec_eval

from engine.errors import UserError
from eval.retrieval import metrics
from eval.retrieval.metrics import METRICS, best_rank, evaluate, metric, ranking

TREC_NAMES = {
    "ndcg@10": "ndcg_cut_10",
    "recall@100": "recall_100",
    "hit@1": "success_1",
    "hit@3": "success_3",
    "hit@10": "success_10",
    "map@100": "map_cut_100",
    "ndcg@5": "ndcg_cut_5",
    "recall@5": "recall_5",
    "precision@5": "P_5",
    "precision@200": "P_200",
    "map@5": "map_cut_5",
}
TREC_MEASURES = {"ndcg_cut.5,10", "recall.5,100", "P.5,200", "success.1,3,10", "map_cut.5,100"}


def random_case(seed: int, *, ties: bool) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, int]]]:
    """20 queries over 300 documents: 0..150 retrieved, 1..30 judged with grades -1..4, ids of mixed length."""
    rng = random.Random(seed)
    documents = [f"d{number}" for number in range(298)] + ["é1", "Ω"]
    run, qrels = {}, {}
    for query in range(20):
        retrieved = rng.sample(documents, rng.randint(1, 150))
        scores = [round(rng.random(), 1) if ties else rng.random() for _ in retrieved]
        run[f"q{query}"] = dict(zip(retrieved, scores, strict=True))
        judged = rng.sample(documents, rng.randint(1, 30))
        qrels[f"q{query}"] = {document: rng.randint(-1, 4) for document in judged} | {judged[0]: rng.randint(1, 4)}
    return run, qrels


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_trec_eval(seed: int, ties: bool) -> None:
    run, qrels = random_case(seed, ties=ties)
    scores = evaluate(run, qrels, tuple(TREC_NAMES))
    expected = pytrec_eval.RelevanceEvaluator(qrels, TREC_MEASURES).evaluate(run)
    for name, trec_name in TREC_NAMES.items():
        theirs = [expected[query_id][trec_name] for query_id in scores.query_ids]
        np.testing.assert_allclose(scores.values[name], theirs, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("seed", range(5))
def test_mrr_is_trec_evals_reciprocal_rank_cut_at_k(seed: int) -> None:
    run, qrels = random_case(seed, ties=True)
    scores = evaluate(run, qrels, ("mrr@10",))
    expected = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(run)
    theirs = [expected[query_id]["recip_rank"] for query_id in scores.query_ids]
    cut = [value if value >= 0.1 else 0 for value in theirs]
    np.testing.assert_allclose(scores.values["mrr@10"], cut, rtol=0, atol=1e-9)


def test_every_kind_of_metric_is_compared() -> None:
    assert {name.partition("@")[0] for name in (*TREC_NAMES, "mrr")} == set(metrics._KINDS)
    assert set(metrics._KINDS) == {"ndcg", "mrr", "map", "recall", "precision", "hit"}


def test_scores_that_differ_only_beyond_float32_are_tied() -> None:
    assert ranking({"a": 0.1, "b": 0.1 + 1e-12, "c": 0.1}) == ["c", "b", "a"]


def test_a_query_without_a_relevant_document_is_left_out_and_one_without_results_counts_zero() -> None:
    qrels = {"none": {"d1": 0, "d2": -1}, "missing": {"d1": 1}, "found": {"d1": 2}}
    scores = evaluate({"none": {"d1": 1.0}, "found": {"d1": 1.0}}, qrels)
    assert scores.query_ids == ("found", "missing")
    assert scores.values["ndcg@10"].tolist() == [1.0, 0.0]
    assert scores.means()["mrr@10"] == 0.5


def test_nothing_judged_gives_zero_means() -> None:
    assert evaluate({}, {}).means() == dict.fromkeys(METRICS, 0.0)


def test_best_rank_names_the_first_relevant_document() -> None:
    scores = {"a": 0.9, "b": 0.8, "c": 0.7}
    assert best_rank(scores, {"c": 1, "b": 2, "a": 0}) == (2, "b")
    assert best_rank(scores, {"z": 1}) == (0, "")


@pytest.mark.parametrize("name", ["ndgc@10", "ndcg", "ndcg@0", "ndcg@x"])
def test_an_unknown_metric_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UserError, match="ndcg@10"):
        metric(name)

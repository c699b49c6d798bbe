"""The decision rests on held-out queries from before the round trip, and a harmful model is not promoted."""

from __future__ import annotations

import numpy as np
import pytest

from eval.decision import decide, with_fused
from eval.report import Decision
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.figures import Resamples, resample
from eval.retrieval.metrics import HEADLINE, METRICS, Floats, Scores
from eval.retrieval.ranking import Results
from eval.significance import Bootstrap


def resamples_of(differences: Floats, documents: list[str], resamples: int = 2_000) -> Resamples:
    """The resamples of results where tuned differs by so much on each query, and base has 0.5 on all."""
    ids = tuple(f"sample-{number:05}" for number in range(len(differences)))
    base = np.full(len(ids), 0.5)
    values = {"bm25": base, "base": base, "tuned": base + differences}
    scores = {name: Scores(ids, dict.fromkeys(METRICS, column)) for name, column in values.items()}
    benchmark = Benchmark("held_out", dict.fromkeys(ids, ""), {}, sources=dict(zip(ids, documents, strict=True)))
    return resample(Results(benchmark, {}, scores), Bootstrap(resamples))


def decision_of(differences: list[float]) -> Decision:
    """What is decided when tuned differs by so much on each query, with one query per document."""
    return decide(resamples_of(np.array(differences), [f"d{number}" for number in range(len(differences))]), 0.95)


@pytest.mark.parametrize(
    ("differences", "model", "verdict"),
    [
        ([-0.1, -0.2, -0.15] * 20, "base", "tuning did harm"),
        ([0.1, 0.2, 0.15] * 20, "tuned", "above zero"),
        ([-0.1, 0.1] * 30, "tuned", "no harm is shown"),
        ([0.0] * 40, "tuned", "so no harm is shown."),
        ([0.0] * 7, "tuned", "no harm is shown, though so few documents show little."),
        ([0.0, 0.0], "base", "so few documents do not rule out harm"),
        ([0.1] * 4, "base", "so few documents do not rule out harm"),
        ([-0.1, 0.1, 0.0, 0.0, 0.0], "base", "with so few documents they may rank up to"),
        ([-0.2, 0.3] * 30, "base", "; documents may rank up to"),
    ],
)
def test_base_stays_unless_tuned_shows_that_it_does_no_harm(differences: list[float], model: str, verdict: str) -> None:
    decision = decision_of(differences)
    assert decision.model == model
    assert verdict in decision.why


def test_documents_that_sink_below_what_ndcg_sees_are_harm() -> None:
    ids = tuple(f"sample-{number:05}" for number in range(80))
    nothing = dict.fromkeys(METRICS, np.zeros(80))
    scores = {name: Scores(ids, nothing | {"map@100": np.full(80, 1 / 12)}) for name in ("bm25", "base")}
    scores["tuned"] = Scores(ids, nothing | {"map@100": 1 / np.linspace(11, 25, 80)})
    benchmark = Benchmark("held_out", dict.fromkeys(ids, ""), {}, sources={name: name for name in ids})
    decision = decide(resample(Results(benchmark, {}, scores), Bootstrap(500)), 0.95)
    assert decision.difference.ci95 == (0, 0)
    assert decision.rank is not None
    assert decision.rank.mean == pytest.approx(float(np.mean(np.log2(12 / np.linspace(11, 25, 80)))))
    assert decision.model == "base"
    assert "documents rank 46 % worse, so tuning did harm" in decision.why


def test_why_is_one_sentence_with_the_figures() -> None:
    why = decision_of([0.1, 0.2] * 50).why
    assert "100 synthetic queries of 100 held-out documents" in why
    assert "95 % interval by document +0.1" in why
    assert "0.650" in why
    assert "+0.150" in why
    assert why.count(". ") == 0
    assert "3 synthetic queries of only 3 held-out documents" in decision_of([0.1] * 3).why


def test_many_queries_of_few_documents_prove_little() -> None:
    decision = decide(resamples_of(np.full(500, 0.1), ["bees", "bread", "glass", "maps", "tea"] * 100), 0.95)
    assert "500 synthetic queries of only 5 held-out documents, never" in decision.why
    assert "so few documents prove little" in decision.why
    assert (decision.queries, decision.documents) == (500, 5)


def test_queries_of_one_document_show_nothing() -> None:
    decision = decide(resamples_of(np.full(500, -0.1), ["bees"] * 500), 0.95)
    assert "500 synthetic queries of only 1 held-out document, never" in decision.why
    assert "so few documents do not rule out harm, and the base model stays" in decision.why
    assert decision.model == "base"


@pytest.mark.parametrize("documents", [["bees", "bees"], ["bees", "tea"]])
def test_no_interval_says_what_cannot_be(documents: list[str]) -> None:
    ids, perfect, lost = ("sample-0", "sample-1"), np.ones(2), np.array([0.0, 1 / 64])
    scores = {name: Scores(ids, dict.fromkeys(METRICS, perfect)) for name in ("bm25", "base")}
    scores["tuned"] = Scores(ids, dict.fromkeys(METRICS, lost))
    benchmark = Benchmark("held_out", dict.fromkeys(ids, ""), {}, sources=dict(zip(ids, documents, strict=True)))
    decision = decide(resample(Results(benchmark, {}, scores), Bootstrap(500)), 0.95)
    assert decision.rank is not None
    assert -np.log2(101) <= decision.rank.low <= decision.rank.mean <= decision.rank.high <= np.log2(101)
    assert -1 <= decision.difference.low <= decision.difference.mean <= decision.difference.high <= 1


NUM_DOCUMENTS, PER_DOCUMENT = 200, 10


def noise(rng: np.random.Generator) -> Floats:
    """Differences of two equally good models: half of the variance is of the document, half of the query."""
    of_document = np.repeat(rng.normal(0, 0.1, NUM_DOCUMENTS), PER_DOCUMENT)
    return of_document + rng.normal(0, 0.1, NUM_DOCUMENTS * PER_DOCUMENT)


def wrong_share(runs: int, documents: list[str], resamples: int) -> float:
    """The share of data sets without any difference for which the decision's interval says that there is one."""
    rng, base, wrong = np.random.default_rng(11), np.full(NUM_DOCUMENTS * PER_DOCUMENT, 0.5), 0
    for _ in range(runs):
        differences = noise(rng)
        columns = {"base": base, "tuned": base + differences, "difference": differences}
        means = {name: {HEADLINE: mean} for name, mean in Bootstrap(resamples).resample(columns, documents).items()}
        decided = decide(
            Resamples(means, means["difference"], means["difference"][HEADLINE], "document"), 0.95
        ).difference
        wrong += not decided.low <= 0 <= decided.high
    return wrong / runs


def test_chance_is_taken_for_a_difference_as_often_as_the_level_says() -> None:
    names = [f"d{number}" for number in range(NUM_DOCUMENTS) for _ in range(PER_DOCUMENT)]
    # 5 % of 400 has a standard error of 1.1 %.
    assert 0.025 <= wrong_share(400, names, resamples=500) <= 0.08
    alone = [f"q{number}" for number in range(len(names))]
    assert wrong_share(40, alone, resamples=200) > 0.2, "queries that are taken as independent make chance look sure"


def test_without_held_out_queries_the_base_model_stays_and_says_so() -> None:
    decision = decision_of([])
    assert decision.model == "base"
    assert "nothing shows" in decision.why
    assert decision.queries == 0


@pytest.mark.parametrize(
    ("alone", "fused", "model"),
    [(0.15, 0.1, "tuned"), (0.15, -0.1, "base"), (-0.15, 0.1, "base"), (-0.15, -0.1, "base")],
)
def test_a_tuned_model_has_to_pass_alone_and_with_words(alone: float, fused: float, model: str) -> None:
    names = [f"d{number}" for number in range(60)]
    parts = (resamples_of(np.tile([difference, difference / 2], 30), names, 500) for difference in (alone, fused))
    by_alone, with_words = parts
    before = decide(by_alone, 0.95)
    decision = with_fused(before, with_words, 0.95)
    assert decision.fused
    assert (decision.model, decision.model_alone, decision.why) == (model, before.model, before.why)
    assert decision.fused.is_harmless == (fused > 0)
    assert decision.fused.difference.mean == pytest.approx(0.75 * fused)
    assert decision.fused.why.startswith(
        f"With words (weight 0.5), tuned reaches {0.5 + 0.75 * fused:.3f} and base 0.500"
    )
    assert decision.fused.why.count(". ") == 0


def test_nothing_held_out_leaves_nothing_to_compare_with_words() -> None:
    nothing = resamples_of(np.empty(0), [])
    assert with_fused(decide(nothing, 0.95), nothing, 0.95) == decide(nothing, 0.95)

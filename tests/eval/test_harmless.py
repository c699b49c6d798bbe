"""The check for harm sees both models with words, and is made anew without each fold of the queries."""

from __future__ import annotations

import numpy as np
import pytest

from eval.decision import decide
from eval.harmless import check_with_words, fuse_models, harmless_in_folds
from eval.recommendation import CorpusSystems
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.figures import resample
from eval.retrieval.metrics import HEADLINE, METRICS, Floats, Scores
from eval.retrieval.ranking import Results, measure
from eval.significance import Bootstrap
from eval.weights import FOLDS, fold_of
from tests.eval.test_recommendation import CORPUS, NAMES, WORDS, Guess, queries_of

BOOTSTRAP = Bootstrap(300)


def results_of(differences: Floats, documents: list[str]) -> Results:
    """What two models reach that differ by so much on each query."""
    ids = tuple(f"sample-{number:05}" for number in range(len(differences)))
    base = np.full(len(ids), 0.5)
    values = {"bm25": base, "base": base, "tuned": base + differences}
    scores = {name: Scores(ids, dict.fromkeys(METRICS, column)) for name, column in values.items()}
    return Results(
        Benchmark("h", dict.fromkeys(ids, ""), {}, sources=dict(zip(ids, documents, strict=True))), {}, scores
    )


def test_models_with_words_are_compared_under_the_names_of_the_models() -> None:
    systems = {"bm25": WORDS, "base": Guess("base", 0), "tuned": Guess("tuned", 15)}
    named = CorpusSystems(systems, CORPUS, str.split)
    held_out = measure(queries_of(range(30), "unheard"), list(systems.values()), CORPUS, 100)
    fused = fuse_models(named, held_out, 100)
    by_words = named.measure_with_words(held_out, 0.5, 100)
    assert np.array_equal(fused.scores["tuned"].values[HEADLINE], by_words.scores["tuned_words"].values[HEADLINE])
    assert np.array_equal(fused.scores["base"].values[HEADLINE], by_words.scores["base_words"].values[HEADLINE])
    before = decide(resample(held_out, BOOTSTRAP), 0.95)
    decision = check_with_words(before, fused, 0.95, BOOTSTRAP, {})
    assert (decision.model, decision.difference) == ("base", before.difference)
    assert decision.fused
    assert decision.fused.tuned < decision.fused.base == pytest.approx(fused.scores["base"].values[HEADLINE].mean())
    assert set(held_out.scores) == set(systems), "what is shown elsewhere stays as it is"
    assert len(NAMES) == decision.documents


def test_without_the_fold_that_harm_is_in_the_model_passes() -> None:
    documents = [f"d{number}" for number in range(120)]
    harmed = fold_of(documents[0])
    differences = np.array([-0.5 if fold_of(name) == harmed else 0.004 for name in documents])
    good, bad = results_of(np.full(120, 0.1), documents), results_of(differences, documents)
    decision = decide(resample(bad, BOOTSTRAP), 0.95)
    for results in ((bad, good), (good, bad)):
        harmless = harmless_in_folds(decision, results, 0.95, BOOTSTRAP, {})
        assert harmless.by_all is False
        assert list(harmless.folds) == [fold == harmed for fold in range(FOLDS)], "alone or with words"


def test_copies_of_a_document_are_in_its_fold() -> None:
    originals = [f"d{number}" for number in range(60)]
    copies = {f"copy of {name}": name for name in originals}
    results = results_of(np.full(120, 0.1), [*originals, *copies])
    harmless = harmless_in_folds(
        decide(resample(results, BOOTSTRAP, copies), 0.95), (results, results), 0.95, BOOTSTRAP, copies
    )
    assert harmless.by_all
    assert all(harmless.folds)

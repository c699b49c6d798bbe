"""The weight follows the synthetic queries that are like the real ones, and judged queries the more there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.advice import choice_sentence, tuning_sentence
from eval.choice import THINNING, Evidence, HeldOut, choose
from eval.report import Choice
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap
from eval.weights import WEIGHTS, WeightCurves

QUERIES = 200
AGREEMENTS = (0.4, 0.3, 0.2, 0.1)
"""The mean agreement of each set of thinned queries."""


def curves(best: float, agreement: float, queries: int = QUERIES, *, level: float = 0.5, seed: int = 0) -> WeightCurves:
    """Queries that reach `level` at one weight and less the further a weight is from it, with some noise."""
    rng = np.random.default_rng(seed)
    shape = level - 0.3 * np.abs(np.array(WEIGHTS) - best)
    values = shape + rng.normal(0, 0.02, (queries, len(WEIGHTS))) + rng.normal(0, 0.1, (queries, 1))
    agreements = rng.normal(agreement, 0.02, queries)
    return WeightCurves(values, agreements, [f"d{number // 2}" for number in range(queries)])


def evidence(
    real: float | None, judged: WeightCurves | None = None, bests: tuple[float, ...] = (0.8, 0.6, 0.3, 0.0)
) -> Evidence:
    """Sets that words are the worse for, the more they lack, and real queries of some agreement."""
    sets = [curves(best, agreement, seed=7) for best, agreement in zip(bests, AGREEMENTS, strict=True)]
    seen: Floats = np.empty(0) if real is None else np.random.default_rng(1).normal(real, 0.02, 100)
    return Evidence(sets, seen, judged)


@pytest.mark.parametrize(("real", "expected"), [(0.4, 0.7), (0.1, 0.1)])
def test_the_weight_follows_the_sets_that_real_queries_are_like(real: float, expected: float) -> None:
    assert WEIGHTS[evidence(real).best()] == pytest.approx(expected, abs=0.15)
    assert WEIGHTS[evidence(0.4).best()] > WEIGHTS[evidence(None).best()] > WEIGHTS[evidence(0.1).best()]


def test_where_no_weight_is_better_it_is_one_half() -> None:
    flat = WeightCurves(np.full((50, len(WEIGHTS)), 0.3), np.full(50, 0.2), [str(number) for number in range(50)])
    assert WEIGHTS[Evidence([flat] * len(THINNING), np.empty(0)).best()] == 0.5


@pytest.mark.parametrize(("best", "system"), [(1.0, "BM25. "), (0.0, "base. ")])
def test_one_system_alone_is_chosen_where_it_is_right(best: float, system: str) -> None:
    choice = choose(evidence(None, bests=(best,) * 4), Bootstrap(500))
    assert choice.weight == pytest.approx(best, abs=0.05)
    wide = WeightCurves(-10 * np.abs(np.array(WEIGHTS) - best) + np.zeros((60, 1)), np.full(60, 0.2), list("ab") * 30)
    choice = choose(Evidence([wide] * 4, np.empty(0)), Bootstrap(500))
    assert choice.weight == best
    assert choice_sentence(choice).startswith(system)


def test_judged_queries_count_the_more_there_are_of_them() -> None:
    weights = [
        WEIGHTS[evidence(0.1, curves(1.0, 0.1, count, seed=3)).best()] if count else WEIGHTS[evidence(0.1).best()]
        for count in (0, 30, 3_000)
    ]
    assert weights == sorted(weights)
    assert weights[0] < 0.3
    assert weights[-1] > 0.8


def test_a_few_judged_queries_move_the_weight_a_little_whatever_they_reach() -> None:
    weight = WEIGHTS[evidence(0.1).best()]
    nothing = WeightCurves(np.zeros((5, len(WEIGHTS))), np.full(5, 0.1), list("abcde"))
    assert WEIGHTS[evidence(0.1, nothing).best()] == weight, "five questions that no weight answers say nothing"
    for seed in range(5):
        few = curves(1.0, 0.1, 5, seed=seed)
        assert WEIGHTS[evidence(0.1, few).best()] == pytest.approx(weight, abs=0.2)


def test_the_best_weight_inside_leaves_out_neither_words_nor_meaning() -> None:
    steep = WeightCurves(-10 * np.array(WEIGHTS) + np.zeros((60, 1)), np.full(60, 0.2), list("ab") * 30)
    sets = Evidence([steep] * 4, np.empty(0))
    assert WEIGHTS[sets.best()] == 0.0
    assert WEIGHTS[sets.best(inside=True)] == WEIGHTS[1]
    assert evidence(0.4).best() == evidence(0.4).best(inside=True)


def test_judged_queries_tell_what_tuning_adds_too() -> None:
    base, judged = evidence(0.4).synthetic, curves(0.5, 0.2, 60)
    better = replace(judged, values=judged.values + 0.1)
    held_out = HeldOut(base, base, (judged, better))
    gain = held_out.gain(0.5, evidence(0.4).shares, Bootstrap(500))
    assert gain
    assert gain.mean == pytest.approx(0.05), "sixty judged queries count as much as the synthetic ones"
    assert held_out.without(3).judged, "some are left"


def test_a_tuned_model_is_chosen_where_what_it_adds_is_sure() -> None:
    rng, base = np.random.default_rng(0), evidence(0.4).synthetic
    noise = rng.normal(0, 0.2, (QUERIES, 1))

    def choice_with(added: Floats | float, *, is_harmless: bool = True) -> Choice:
        tuned = [replace(found, values=found.values + added) for found in base]
        return choose(evidence(0.4), Bootstrap(500), HeldOut(base, tuned), is_harmless=is_harmless)

    sure, unclear, refused = choice_with(0.05), choice_with(noise), choice_with(0.05, is_harmless=False)
    assert (sure.model, unclear.model, refused.model) == ("tuned", "base", "base")
    assert (sure.system, unclear.system) == ("tuned_words", "base_words")
    assert "adds +0.050 [+0.050, +0.050] to the base" in tuning_sentence(refused)
    assert tuning_sentence(refused).endswith("but harm is not ruled out, so the base stays.")
    assert sure.weight == unclear.weight == choose(evidence(0.4), Bootstrap(500)).weight
    assert choice_sentence(sure).startswith("tuned + words, weight of words 0.")
    assert "which is why it is chosen" in tuning_sentence(sure)
    assert "so the base stays" in tuning_sentence(unclear)
    queries = f"{QUERIES} synthetic queries of held-out documents, on average without 8 % of the words"
    assert f"to the base on {queries}" in tuning_sentence(sure)
    assert unclear.tuning
    assert unclear.tuning.mean == pytest.approx(float(noise.mean()))
    assert unclear.tuning.low < 0 < unclear.tuning.high


def test_the_sentence_says_what_the_choice_rests_on() -> None:
    choice = choose(evidence(0.4, curves(0.6, 0.4, 12)), Bootstrap(500))
    assert (choice.synthetic, choice.documents, choice.real, choice.judged) == (QUERIES, QUERIES // 2, 100, 12)
    assert "over BM25 alone" in choice_sentence(choice)
    assert "over base alone" in choice_sentence(choice)
    assert "Chosen on 12 judged queries and on 200 synthetic queries of 100 documents" in choice_sentence(choice)
    assert "of the words they share with their documents, as the texts of 100 real queries say." in choice_sentence(
        choice
    )
    assert "On the judged ones, each scored by a choice without it: nDCG@10" in choice_sentence(choice)
    alone = choice_sentence(choose(evidence(0.4), Bootstrap(500)))
    assert "Chosen on 200 synthetic queries" in alone
    assert "On these: nDCG@10" in alone


def test_words_alone_are_chosen_where_nothing_but_their_neighbours_is_as_good() -> None:
    beside = np.where(np.array(WEIGHTS) >= 0.85, 0.5, 0.3) + np.zeros((60, 1))
    names = [f"d{number}" for number in range(60)]
    noise = np.random.default_rng(0).normal(0, 0.1, (30, len(WEIGHTS)))
    values = beside + np.concatenate([noise, -noise])  # the mean is exact, and not sure
    near, half = (WeightCurves(shown, np.full(60, 0.2), names) for shown in (values, np.full_like(values, 0.4)))
    assert WEIGHTS[Evidence([near] * 4, np.empty(0)).best()] == 1.0
    assert WEIGHTS[Evidence([half] * 4, np.empty(0)).best()] == 0.5, "far from alone, one half stays"

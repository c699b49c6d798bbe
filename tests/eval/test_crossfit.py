"""No query is scored by a choice that saw it, so that chance earns a choice nothing."""

from __future__ import annotations

import numpy as np
import pytest

from eval.choice import THINNING, Evidence, HeldOut
from eval.crossfit import CHOSEN, Harmless, Selection, crossfitted, select, weights_of
from eval.significance import Bootstrap
from eval.weights import FOLDS, WEIGHTS, WeightCurves, fold_of

NAMES = [f"q{number}" for number in range(200)]
PASSES = Harmless(True, [True] * FOLDS)


def noise(seed: int, names: list[str] = NAMES) -> WeightCurves:
    """Queries for which all weights are alike but for chance."""
    values = np.random.default_rng(seed).normal(0.5, 0.3, (len(names), len(WEIGHTS)))
    return WeightCurves(values, np.full(len(names), 0.2), names)


def test_each_query_counts_what_was_chosen_without_its_fold() -> None:
    base, tuned = noise(0), noise(1)
    selections = [Selection("tuned" if fold % 2 else "base", WEIGHTS[fold], 0.5) for fold in range(FOLDS)]
    values = crossfitted(selections, {"base": base, "tuned": tuned})
    for row, name in enumerate(NAMES):
        fold = fold_of(name)
        curves = tuned if fold % 2 else base
        assert values[CHOSEN][row] == curves.values[row, fold]
        assert values["base_words"][row] == base.at(0.5)[row]
        assert values["tuned_words"][row] == tuned.at(0.5)[row]


def test_what_chance_alone_made_look_best_is_worth_nothing() -> None:
    flat = WeightCurves(np.full((200, len(WEIGHTS)), 0.5), np.full(200, 0.2), [f"d{number}" for number in range(200)])
    gains, seen = [], []
    for seed in range(4):
        judged = noise(seed)
        evidence = Evidence([flat] * len(THINNING), np.empty(0), judged)
        weights = weights_of(evidence)
        selections = select(evidence, weights, None, Bootstrap(50), PASSES)
        values = crossfitted(selections, {"base": judged, "tuned": judged})
        gains.append(values[CHOSEN].mean() - judged.values.mean())
        seen.append(judged.at(weights[0][0]).mean() - judged.values.mean())
    assert -0.04 < np.mean(gains) < 0.01, "what looks good to the other folds looks a little worse to one"
    assert np.mean(seen) > np.mean(gains), "what all queries chose flatters itself"


def test_a_fold_that_takes_all_synthetic_queries_leaves_one_half_and_the_base() -> None:
    fold = fold_of("only")
    alone = WeightCurves(np.tile(WEIGHTS, (4, 1)), np.full(4, 0.2), ["only"] * 4)
    evidence, held_out = Evidence([alone] * 4, np.empty(0)), HeldOut([alone] * 4, [alone] * 4)
    weights = weights_of(evidence)
    assert weights[1 + fold] == (0.5, 0.5)
    assert weights[0][0] > 0.5
    chosen = select(evidence, weights, held_out, Bootstrap(50), PASSES)
    assert chosen[fold] == Selection("base", 0.5, 0.5)


def test_a_tuned_model_is_chosen_in_a_fold_by_the_queries_of_the_others() -> None:
    base = noise(0)
    tuned = WeightCurves(base.values + 0.2, base.agreement, base.clusters)
    evidence, held_out = Evidence([base] * 4, np.empty(0)), HeldOut([base] * 4, [tuned] * 4)
    without_one = [fold != 3 for fold in range(FOLDS)]
    for folds in ([True] * FOLDS, [False] * FOLDS, without_one):
        selections = select(evidence, weights_of(evidence), held_out, Bootstrap(50), Harmless(True, folds))
        assert [selection.model for selection in selections] == ["tuned" if passes else "base" for passes in folds]


@pytest.mark.parametrize("fold", [0, FOLDS - 1])
def test_folds_part_clusters_and_lose_none(fold: int) -> None:
    curves = noise(0, [f"d{number // 4}" for number in range(400)])
    inside, outside = curves.in_fold(fold), curves.without(fold)
    assert 0 < inside.sum() < 120
    assert inside.sum() + len(outside.values) == 400
    assert not {curves.clusters[row] for row in np.flatnonzero(inside)} & set(outside.clusters)
    assert outside.weights == curves.weights


def test_a_fold_that_takes_all_held_out_queries_leaves_the_base() -> None:
    fold = fold_of("only")
    base, judged = noise(0), noise(1)
    alone = WeightCurves(base.values[:4], base.agreement[:4], ["only"] * 4)
    better = WeightCurves(judged.values + 0.3, judged.agreement, judged.clusters)
    evidence = Evidence([base] * 4, np.empty(0), judged)
    held_out = HeldOut([alone] * 4, [alone] * 4, (judged, better))
    left = held_out.without(fold)
    assert left.gain(0.5, evidence.shares, Bootstrap(50)) is None, "no gain of zero is averaged with the judged ones"
    others = (fold + 1) % FOLDS
    assert held_out.without(others).gain(0.5, evidence.shares, Bootstrap(50))
    chosen = select(evidence, weights_of(evidence), held_out, Bootstrap(50), PASSES)
    assert chosen[fold].model == "base"

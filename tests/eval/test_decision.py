"""The decision rests on held-out queries from before the round trip, and a harmful model is not promoted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.decision import decide, held_out_queries
from eval.report import Decision
from eval.retrieval.metrics import Scores
from eval.significance import Bootstrap
from tests.support.small_run import build_run


def decision_of(differences: list[float]) -> Decision:
    """What is decided when tuned differs by so much on each query."""
    ids = tuple(f"sample-{number}" for number in range(len(differences)))
    base = np.full(len(ids), 0.5)
    before, after = (Scores(ids, {"ndcg@10": values}) for values in (base, base + np.array(differences)))
    return decide(before, after, Bootstrap(resamples=2_000))


def test_only_held_out_queries_that_reached_the_round_trip_count(tmp_path: Path) -> None:
    held_out = held_out_queries(build_run(tmp_path)["examples"])
    # Samples 14 to 23 are of validation documents; 18 was rejected by length, 20 (as 6, 13) as a duplicate.
    assert sorted(held_out.queries) == [f"sample-{number}" for number in (14, 15, 16, 17, 19, 21, 22, 23)]
    assert held_out.qrels["sample-17"] == {"knots": 1}
    assert held_out.queries["sample-14"].endswith("& more")


@pytest.mark.parametrize(
    ("differences", "model", "verdict"),
    [
        ([-0.1, -0.2, -0.15] * 20, "base", "tuning did harm"),
        ([0.1, 0.2, 0.15] * 20, "tuned", "above zero"),
        ([-0.1, 0.1] * 30, "tuned", "no harm is shown"),
        ([0.0] * 40, "tuned", "no harm is shown"),
        ([-0.1, 0.1, 0.0], "tuned", "so few queries can show neither gain nor harm"),
    ],
)
def test_base_stays_only_when_tuned_is_significantly_worse(differences: list[float], model: str, verdict: str) -> None:
    decision = decision_of(differences)
    assert decision.model == model
    assert verdict in decision.why


def test_why_is_one_sentence_with_the_figures() -> None:
    why = decision_of([0.1, 0.2] * 50).why
    assert "100 synthetic queries" in why
    assert "0.650" in why
    assert "+0.150" in why
    assert why.count(". ") == 0
    assert "only 3 synthetic queries" in decision_of([0.1] * 3).why


def test_without_held_out_queries_the_base_model_stays_and_says_so() -> None:
    decision = decision_of([])
    assert decision.model == "base"
    assert "nothing shows" in decision.why
    assert decision.queries == 0


def test_scores_of_different_queries_are_a_defect() -> None:
    first, second = (Scores((name,), {"ndcg@10": np.ones(1)}) for name in "ab")
    with pytest.raises(AssertionError, match="same queries"):
        decide(first, second, Bootstrap())

"""Recall never falls with the number of documents, and ends at the report's Recall@100."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.retrieval.recall import DEPTHS, recall_curve
from tests.support.small_run import build_run, small_evaluation


def test_recall_grows_to_that_of_the_report(tmp_path: Path) -> None:
    results = small_evaluation(build_run(tmp_path)).shown
    for name, scores in results.scores.items():
        curve = recall_curve(results, name)
        assert tuple(curve) == DEPTHS
        assert sorted(curve.values()) == list(curve.values())
        assert curve[100] == pytest.approx(scores.means()["recall@100"])
        assert curve[1] <= scores.means()["hit@1"]

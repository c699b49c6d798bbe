"""The identity of the report of given examples holds what it reads of the report's settings, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from eval.given.config import GivenReportConfig
from tests.support.small_run import small_config


def test_what_is_measured_is_part_of_the_identity_and_how_fast_is_not() -> None:
    plan = GivenReportConfig(small_config())
    same = (
        {"latency_repetitions": 9},
        {"fusions": []},
        {"similarity": "some/file.jsonl"},
        {"price_per_gpu_hour": 3.0},
    )
    for settings in same:
        assert identity_of(GivenReportConfig(replace(plan.report, **settings))) == identity_of(plan)  # type: ignore[arg-type]
    for other in ({"bm25_b": 0.5}, {"max_held_out": 7}, {"max_reranked": 7}, {"seed": 3}, {"resamples": 7}):
        assert identity_of(GivenReportConfig(replace(plan.report, **other))) != identity_of(plan)  # type: ignore[arg-type]


def test_a_reranker_that_there_is_not_is_refused() -> None:
    with pytest.raises(UserError, match=r"report\.rerankers=no/such/model: there is no such model"):
        GivenReportConfig(replace(small_config(), rerankers="no/such/model")).identity()

"""A learning curve: which points there are, what is refused, what makes another result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import UserError
from eval.learning_curve.config import LearningCurveConfig, LearningCurvePlan, point_name
from tests.support.small_run import small_config


def test_shares_ascend_and_points_have_names() -> None:
    assert LearningCurveConfig([1.0, 0.25, 0.25]).ascending() == [0.25, 1.0]
    assert point_name(0.0625, 2) == "0.0625-seed-2"
    assert point_name(1.0, 0) == "1-seed-0"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"shares": [0.0]}, "learning_curve.shares=0.0"),
        ({"shares": [1.5]}, "learning_curve.shares=1.5"),
        ({"seeds": 0}, "learning_curve.seeds=0"),
        ({"weight": 1.0}, "learning_curve.weight=1.0"),
    ],
)
def test_what_is_no_share_or_seed_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as error:
        LearningCurveConfig(**wrong)  # type: ignore[arg-type]
    assert str(error.value).startswith(said)


def test_identity() -> None:
    plan = LearningCurvePlan(LearningCurveConfig([1.0]), small_config())
    assert replace(plan, report=replace(plan.report, choice_queries=3)).identity() == plan.identity()
    assert replace(plan, report=replace(plan.report, resamples=99)).identity() != plan.identity()

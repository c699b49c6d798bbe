"""The family of a run's model is held against what the run generates and goes on to, before it starts."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.pipeline.model import check_model
from engine.pipeline.steps import steps
from eval.config import ReportConfig
from eval.learning_curve.config import LearningCurveConfig
from training.config import Family, ModelConfig

CROSS_ENCODER = ModelConfig(seed=0, family=Family.cross_encoder, num_hard_negatives=3)


def run(model: ModelConfig, **settings: Any) -> RunConfig:
    return RunConfig(collection="x", model=model, **settings)


def test_a_cross_encoder_is_reported_on_and_no_curve_is_drawn_of_it() -> None:
    assert steps(run(CROSS_ENCODER))[-1].noun == "report"
    curve = run(CROSS_ENCODER, learning_curve=LearningCurveConfig([0.5]), until="learning_curve")
    with pytest.raises(UserError, match=r"^model\.family=cross_encoder: a learning curve measures searches"):
        steps(curve)
    asked = run(CROSS_ENCODER, report=ReportConfig(benchmark="", rerank_by="likelihood"))
    with pytest.raises(UserError, match=r"^report\.rerank_by: the report of a cross_encoder has no model asked"):
        steps(asked)


def test_an_adapter_is_searched_with() -> None:
    assert steps(run(ModelConfig(seed=0, family=Family.adapter)))[-1].noun == "system"


def test_a_model_that_is_not_reached_may_be_anything() -> None:
    check_model(run(ModelConfig(seed=0, family=Family.classifier), until="examples"))
    with pytest.raises(UserError, match=r"^model\.label="):
        check_model(run(ModelConfig(seed=0, family=Family.classifier), until="model"))

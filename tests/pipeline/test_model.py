"""The family of a run's model is held against what the run generates and goes on to, before it starts."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.pipeline.model import check_model
from engine.pipeline.steps import steps
from eval.learning_curve.config import LearningCurveConfig
from training.config import Family, ModelConfig

CROSS_ENCODER = ModelConfig(seed=0, family=Family.cross_encoder, num_hard_negatives=3)


def run(model: ModelConfig, **settings: Any) -> RunConfig:
    return RunConfig(collection="x", model=model, **settings)


def test_a_cross_encoder_is_the_end_of_its_run() -> None:
    check_model(run(CROSS_ENCODER, until="model"))
    for settings in (
        {},
        {"until": "report"},
        {"learning_curve": LearningCurveConfig([0.5]), "until": "learning_curve"},
    ):
        with pytest.raises(UserError, match=r"^model\.family=cross_encoder: .*; add until=model"):
            steps(run(CROSS_ENCODER, **settings))


def test_an_adapter_is_searched_with() -> None:
    assert steps(run(ModelConfig(seed=0, family=Family.adapter)))[-1].noun == "system"


def test_a_model_that_is_not_reached_may_be_anything() -> None:
    check_model(run(ModelConfig(seed=0, family=Family.classifier), until="examples"))
    with pytest.raises(UserError, match=r"^model\.label="):
        check_model(run(ModelConfig(seed=0, family=Family.classifier), until="model"))

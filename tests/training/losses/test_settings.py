"""The settings of losses: keys of `model`, refused where they cannot work."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UserError
from training.config import ModelConfig
from training.losses.settings import LossSettings


@pytest.mark.parametrize(
    "changes",
    [
        {"matryoshka": [64, 0]},
        {"matryoshka": [64, 64]},
        {"margin": 0.0},
        {"noise": 1.0},
        {"noise": 0.0},
        {"teacher_temperature": 0.0},
        {"ranking_share": 1.0},
        {"mini_batch_size": -1},
        {"tokens_per_pass": -1},
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any]) -> None:
    [(name, value)] = changes.items()
    with pytest.raises(UserError) as caught:
        ModelConfig(seed=0, **changes)
    assert caught.value.where == f"model.{name}={value}"
    assert caught.value.remedy.startswith("set it to ")


def test_defaults_are_allowed() -> None:
    LossSettings().check_losses()

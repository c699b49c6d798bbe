"""The settings of hard negatives are keys of `model`, and out of range they are refused by their name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from engine.errors import UserError
from training.config import ModelConfig
from training.negative_settings import NegativeSettings


def test_each_is_a_key_of_the_model() -> None:
    assert {field.name for field in fields(NegativeSettings)} <= {field.name for field in fields(ModelConfig)}


@pytest.mark.parametrize(
    "changes",
    [{"num_hard_negatives": -1}, {"hard_negative_margin": 0.0}, {"hard_negative_first_rank": 0}],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, float]) -> None:
    [(name, value)] = changes.items()
    with pytest.raises(UserError) as caught:
        ModelConfig(seed=0, **changes)  # type: ignore[arg-type]
    assert caught.value.where == f"model.{name}={value}"

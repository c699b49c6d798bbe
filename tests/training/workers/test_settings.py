"""The settings of workers are keys of `model`, and no part of what identifies a model."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from tests.support.training import make_config
from training.config import ModelConfig
from training.workers.settings import WorkerSettings


def test_none_of_them_identifies_a_model(base: Path) -> None:
    identity = identity_of(make_config(base))
    assert isinstance(identity, dict)
    assert identity.keys().isdisjoint(field.name for field in fields(WorkerSettings))


@pytest.mark.parametrize("name", ["num_workers", "checkpoint_steps", "max_failures"])
def test_numbers_below_zero_are_refused(name: str) -> None:
    with pytest.raises(UserError) as caught:
        ModelConfig(seed=0, **{name: -1})  # type: ignore[arg-type]
    assert caught.value.where == f"model.{name}=-1"


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"gpus_per_worker": 2.0}, "a worker computes on one GPU"),
        ({"gpus_per_worker": -0.5}, "a worker computes on one GPU"),
        ({"gpus_per_worker": 0.5, "num_workers": 2}, "no two workers can exchange gradients"),
    ],
)
def test_parts_of_gpus_that_no_training_can_use_are_refused(settings: dict[str, Any], remedy: str) -> None:
    with pytest.raises(UserError) as caught:
        ModelConfig(seed=0, **settings)
    assert caught.value.where == f"model.gpus_per_worker={settings['gpus_per_worker']}"
    assert remedy in caught.value.remedy
    assert not ModelConfig(seed=0, num_workers=2, gpus_per_worker=0.6).shares_gpu
    assert not ModelConfig(seed=0, num_workers=2, gpus_per_worker=0.0).shares_gpu
    assert ModelConfig(seed=0, gpus_per_worker=0.5).shares_gpu

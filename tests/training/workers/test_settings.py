"""The settings of workers are keys of `model`, and no part of what identifies a model."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

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

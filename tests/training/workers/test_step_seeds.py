"""What a step draws hangs on its number, so that a training that was cut off ends as one that was not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch

from tests.support.training import WORDS, load, make_config, make_job
from tests.training.validation.test_callback import PLAN
from training.losses.build import build_loss
from training.losses.settings import Loss
from training.validation.averaging import Average, trained_weights
from training.validation.callback import RankView, ValidationCallback
from training.validation.config import Keep, ValidationConfig
from training.workers.dropout import ByteDropout
from training.workers.step_seeds import StepSeeds
from training.workers.trainer import StreamTrainer, make_arguments
from training.workers.worker import first_step

STEPS, CHECKPOINT_STEPS = 9, 4
NOBODY = SimpleNamespace(add=SimpleNamespace(remote=lambda _: None))


def drawn(seed: int, rank: int, step: int, earlier_steps: int = 0) -> list[float]:
    """Returns what is drawn in a step, whatever was drawn before."""
    torch.rand(step + 3)
    StepSeeds(seed, rank, earlier_steps).on_step_begin(None, SimpleNamespace(global_step=step), None)
    numbers: list[float] = torch.rand(4).tolist()
    return numbers


def test_a_step_draws_the_same_whatever_came_before_and_no_two_draw_alike() -> None:
    assert drawn(0, 0, 5) == drawn(0, 0, 5) == drawn(0, 0, 2, earlier_steps=3)
    different = [drawn(0, 0, 5), drawn(1, 0, 5), drawn(0, 1, 5), drawn(0, 0, 6)]
    assert len({tuple(numbers) for numbers in different}) == 4


class Killed(Exception):  # noqa: N818  # stands for a process that is gone
    """The end of a training in the middle of a step."""


def batches(first: int, killed_at: int | None) -> Iterator[pa.Table]:
    """The batches from a step on, until the training ends or is killed."""
    for step in range(first, STEPS):
        if step == killed_at:
            raise Killed
        rng = random.Random(step)
        passages = [" ".join(rng.sample(WORDS, 8)) for _ in range(6)]
        yield pa.table({"query": [" ".join(text.split()[:3]) for text in passages], "passage": passages})


def train(base: Path, folder: Path, checkpoint: Path | None = None, killed_at: int | None = None) -> tuple[object, ...]:
    """Trains with dropout and validations, as a worker does; returns the curves and the best weights."""
    settings = ValidationConfig(every=3, keep=Keep.best)
    config = make_config(base, checkpoint_steps=CHECKPOINT_STEPS, validation=settings, weight_decay=0.1)
    job = replace(make_job(config, total_steps=STEPS), validation=PLAN, base_share=0.5)
    model = load(config)
    view = RankView(is_first=True, device=torch.device("cpu"), bf16=False, curve=NOBODY)
    average = Average(model, 0.5)
    validation = ValidationCallback(job, model, average, view, checkpoint)
    first = first_step(checkpoint)
    trainer = StreamTrainer(
        batches=lambda: batches(first, killed_at),
        model=model,
        args=make_arguments(job, folder, share=6, bf16=False, on_cpu=True),
        loss=build_loss(Loss.mnrl, config, model, world_size=1, on_cpu=True),
        callbacks=[StepSeeds(0, 0), validation],
    )
    with ByteDropout():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    last = trained_weights(model)
    validation.take_best()
    average.take()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return last, trained_weights(model), validation.record(), losses


def test_a_training_that_was_cut_off_ends_as_one_that_was_not(base: Path, tmp_path: Path) -> None:
    """Weights, optimizer, schedule, dropout, and what validation knew of the steps before."""
    last, finished, record, losses = train(base, tmp_path / "whole")
    with pytest.raises(Killed):
        train(base, tmp_path / "cut", killed_at=CHECKPOINT_STEPS + 2)
    checkpoint = tmp_path / "cut" / f"checkpoint-{CHECKPOINT_STEPS}"
    again = train(base, tmp_path / "again", checkpoint)
    assert again[2] == record
    assert again[3] == pytest.approx(losses, abs=1e-6)
    for weights, expected in ((again[0], last), (again[1], finished)):
        assert isinstance(weights, dict)
        assert isinstance(expected, dict)
        for name, values in expected.items():
            assert torch.allclose(weights[name], values, atol=1e-7), name


def test_a_training_that_ended_and_was_not_saved_takes_no_further_step(base: Path, tmp_path: Path) -> None:
    last, finished, record, _ = train(base, tmp_path / "whole")
    checkpoint = tmp_path / "whole" / f"checkpoint-{STEPS}"
    again = train(base, tmp_path / "again", checkpoint)
    assert again[2] == record
    for weights, expected in ((again[0], last), (again[1], finished)):
        assert isinstance(weights, dict)
        assert isinstance(expected, dict)
        assert all(torch.equal(weights[name], values) for name, values in expected.items())

"""Validation between steps: what it measures, when it stops a training, and which weights it keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from tests.support.training import load, make_config, make_job, make_passages
from training.validation.averaging import Average, trained_weights
from training.validation.callback import HARM, PATIENCE, RankView, ValidationCallback
from training.validation.config import Keep, ValidationConfig
from training.validation.plan import ValidationPlan
from training.workers.progress import ValidationPoint

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

COUNT = 24
PASSAGES = make_passages(COUNT)
PLAN = ValidationPlan(
    2,
    queries=tuple(" ".join(text.split()[:4]) for text in PASSAGES),
    passages=tuple(PASSAGES),
    documents=tuple(range(COUNT)),
    grades=tuple({number: 1} for number in range(COUNT)),
    clusters=tuple(f"d{number}" for number in range(COUNT)),
)


class Training:
    """A model on the way through twelve steps, measured as a trainer would have it measured.

    Args:
        base: the model.
        share: that of the base in what is measured.
        checkpoint: the folder from which it goes on.
        settings: of the validation.
    """

    def __init__(self, base: Path, share: float = 0.0, checkpoint: Path | None = None, **settings: Any) -> None:
        config = make_config(base, validation=ValidationConfig(**settings))
        self.model: SentenceTransformer = load(config)
        self.job = replace(make_job(config, total_steps=12), validation=PLAN, base_share=share)
        self.points: list[ValidationPoint] = []
        curve = SimpleNamespace(add=SimpleNamespace(remote=self.points.append))
        view = RankView(is_first=True, device=torch.device("cpu"), bf16=False, curve=curve)
        self.average = Average(self.model, share)
        self.callback = ValidationCallback(self.job, self.model, self.average, view, checkpoint)

    def after(self, step: int) -> SimpleNamespace:
        """Ends a step; returns what the trainer was told."""
        control = SimpleNamespace(should_training_stop=False, should_save=True)
        state = SimpleNamespace(global_step=step)
        (self.callback.on_step_end if step else self.callback.on_train_begin)(None, state, control)
        return control

    def harm(self, amount: float) -> None:
        """Makes the model worse: by so much noise on its weights."""
        torch.manual_seed(1)
        with torch.no_grad():
            for values in self.model.parameters():
                values.add_(amount * torch.randn_like(values))


def test_it_is_measured_when_it_is_due_and_the_driver_is_told(base: Path) -> None:
    training = Training(base)
    for step in range(4):
        assert not training.after(step).should_training_stop
    record = training.callback.record()
    assert record
    assert [validated.step for validated in record.curve] == [0, 2]
    assert record.curve[0].difference == 0.0
    assert (record.curve[0].low, record.curve[0].high) == (0.0, 0.0)
    assert 0.1 < record.curve[0].ndcg < 1
    assert training.points == [ValidationPoint(validated.step, validated.ndcg) for validated in record.curve]
    assert (record.queries, record.passages, record.judged) == (COUNT, COUNT, 0)
    assert (record.kept_step, record.stopped_by) == (2, "")


def test_a_model_that_is_harmed_stops_and_no_checkpoint_is_made_of_it(base: Path) -> None:
    training = Training(base)
    training.after(0)
    training.harm(2.0)
    control = training.after(2)
    assert control.should_training_stop
    assert not control.should_save
    record = training.callback.record()
    assert record
    assert record.stopped_by == HARM
    assert record.curve[-1].low < record.curve[-1].difference < record.curve[-1].high < 0


def test_what_is_measured_is_what_would_be_saved(base: Path) -> None:
    scores = []
    for share in (0.0, 0.999):
        training = Training(base, share)
        training.after(0)
        training.harm(2.0)
        weights = trained_weights(training.model)
        training.after(2)
        assert all(torch.equal(values, weights[name]) for name, values in training.model.named_parameters())
        scores.append([point.ndcg for point in training.points])
    assert scores[0][1] < scores[0][0]
    assert scores[1][1] == pytest.approx(scores[1][0], abs=0.05), "nearly the base again"


def test_the_model_trains_on_as_it_did(base: Path) -> None:
    training = Training(base)
    training.model.train()
    training.after(0)
    assert training.model.training


def test_patience_ends(base: Path) -> None:
    training = Training(base, patience=2)
    assert [training.after(step).should_training_stop for step in (0, 2, 4)] == [False, False, True]
    record = training.callback.record()
    assert record
    assert (record.stopped_by, record.kept_step) == (PATIENCE, 4)


def test_the_last_step_is_no_early_end(base: Path) -> None:
    training = Training(base, patience=1)
    training.after(0)
    control = training.after(12)
    assert not control.should_training_stop
    assert control.should_save


def test_the_best_weights_are_kept_where_that_is_asked_for(base: Path) -> None:
    for keep in Keep:
        training = Training(base, keep=keep)
        training.after(0)
        before = trained_weights(training.model)
        training.harm(0.5)
        training.after(2)
        training.callback.take_best()
        record = training.callback.record()
        assert record
        is_before = all(torch.equal(values, before[name]) for name, values in training.model.named_parameters())
        assert (is_before, record.kept_step) == ((True, 0) if keep is Keep.best else (False, 2))


def test_another_start_goes_on_with_the_curve_and_the_best_weights(base: Path, tmp_path: Path) -> None:
    first = Training(base, keep=Keep.best)
    first.after(0)
    before = trained_weights(first.model)
    first.harm(0.03)
    first.after(2)
    folder = tmp_path / "checkpoint-2"
    folder.mkdir()
    first.callback.on_save(SimpleNamespace(output_dir=tmp_path), SimpleNamespace(global_step=2))
    assert json.loads((folder / "validation.json").read_text())["first"]
    second = Training(base, checkpoint=folder, keep=Keep.best)
    assert second.callback.record() == first.callback.record()
    second.harm(0.03)
    for training in (first, second):
        training.after(4)
        training.callback.take_best()
    assert second.callback.record() == first.callback.record()
    assert all(torch.equal(values, before[name]) for name, values in second.model.named_parameters())
    assert np.array_equal([point.step for point in second.points], [4])


def test_without_a_plan_nothing_happens(base: Path, tmp_path: Path) -> None:
    training = Training(base)
    view = RankView(is_first=True, device=torch.device("cpu"), bf16=False, curve=None)
    idle = ValidationCallback(replace(training.job, validation=None), training.model, training.average, view, tmp_path)
    for step in (0, 2, 12):
        control = SimpleNamespace(should_training_stop=False, should_save=True)
        idle.on_step_end(None, SimpleNamespace(global_step=step), control)
        assert not control.should_training_stop
    idle.on_train_begin(None, SimpleNamespace(global_step=0), None)
    idle.on_save(None, SimpleNamespace(global_step=0))
    assert idle.record() is None

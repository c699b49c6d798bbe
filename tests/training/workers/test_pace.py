"""Checkpoints come by the clock: about every minute, and rarely enough to cost little."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerControl

from training.workers import pace
from training.workers.pace import PacedCheckpoints, steps_between


@pytest.mark.parametrize(
    ("seconds_of_step", "seconds_of_save", "steps"),
    [(0.1, 0.0, 600), (9.0, 1.0, 7), (200.0, 0.0, 1), (0.1, 6.0, 3_000), (1.0, 0.5, 60)],
)
def test_a_minute_lies_between_two_of_them_or_fifty_times_what_one_takes(
    seconds_of_step: float, seconds_of_save: float, steps: int
) -> None:
    assert steps_between(seconds_of_step, seconds_of_save) == steps


def saved_after(monkeypatch: pytest.MonkeyPatch, step: float, save: float, total: int, first: int = 0) -> list[int]:
    """The steps after which a training asks for checkpoints, by a clock that is moved by hand."""
    now = 1.0
    monkeypatch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: now))
    callback, state = PacedCheckpoints(torch.device("cpu")), SimpleNamespace(global_step=first, max_steps=total)
    saved = []
    callback.on_train_begin(None, state)
    for number in range(first + 1, total + 1):
        control = TrainerControl()
        callback.on_step_begin(None, state, control)
        now += step
        state.global_step = number
        callback.on_step_end(None, state, control)
        if control.should_save:
            saved.append(number)
            now += save
    return saved


def test_a_training_of_seconds_has_none_and_a_longer_one_has_one_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    assert saved_after(monkeypatch, 0.1, 0.1, 500) == []
    assert saved_after(monkeypatch, 1.0, 0.5, 250) == [60, 120, 180, 240]
    assert saved_after(monkeypatch, 1.0, 0.5, 250, first=120) == [180, 240], "counted from where it goes on"
    assert saved_after(monkeypatch, 90.0, 1.0, 5) == [1, 2, 3, 4], "not where it ends"
    assert saved_after(monkeypatch, 1.0, 6.0, 1_000) == [60, 360, 660, 960], "a large model's take long"


def test_a_training_that_stops_keeps_the_checkpoint_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: 1e9))
    callback, control = PacedCheckpoints(torch.device("cpu")), TrainerControl(should_training_stop=True)
    callback.on_step_end(None, SimpleNamespace(global_step=10**9, max_steps=10**10), control)
    assert not control.should_save

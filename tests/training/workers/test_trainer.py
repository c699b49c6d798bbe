"""The trainer's arguments and its measure of pace."""

from __future__ import annotations

from pathlib import Path

from training.config import ModelConfig
from training.workers.trainer import CurveCallback, make_arguments

CONFIG = ModelConfig(seed=3, learning_rate=1e-4, warmup_share=0.1, checkpoint_steps=50)


def test_nothing_is_printed_uploaded_or_evaluated(tmp_path: Path) -> None:
    arguments = make_arguments(CONFIG, tmp_path, total_steps=100, share=8, bf16=False, on_cpu=True)
    assert (arguments.max_steps, arguments.per_device_train_batch_size, arguments.warmup_steps) == (100, 8, 10)
    assert arguments.use_cpu
    assert arguments.report_to == []
    assert not arguments.push_to_hub
    assert arguments.save_steps == 50


def test_the_pace_leaves_the_first_steps_out() -> None:
    callback = CurveCallback(None)
    callback._ends = [0.0, 50.0, 60.0, 70.0, 72.0, 74.0, 76.0, 78.0]
    assert callback.seconds_per_step() == 2.0
    callback._ends = [1.0]
    assert callback.seconds_per_step() == 0.0

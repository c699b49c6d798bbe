"""The parts of benchmarks/training_speed.py that can be wrong without hours to measure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, training_speed
from engine.artifacts.examples import ExamplesFolder
from training.families.bi_encoder import load_base
from training.losses.build import build_loss
from training.losses.settings import Loss
from training.rows import read_rows


def test_each_ratio_has_its_budget(capsys: pytest.CaptureFixture[str]) -> None:
    good = {
        "step": [100.0, 98.0],
        "plain": [100.0, 100.0],
        "fp32": [30.0, 30.0],
        "one": [10.0, 10.0],
        "two": [9.0, 9.0],
    }
    assert not training_speed.report(good)
    assert "training.plain ratio 0.990 (0.980..1.000 of 2 pairs)" in capsys.readouterr().out
    for side, slow in (("plain", [110.0] * 2), ("fp32", [50.0] * 2), ("one", [12.0] * 2)):
        assert training_speed.report(good | {side: slow})
    assert not training_speed.report({"step": [100.0], "plain": [100.0]}), "a GPU has no other sides"


def test_made_examples_can_all_share_batches(tmp_path: Path) -> None:
    training_speed.write_pairs(tmp_path / "examples", 40)
    rows = read_rows(ExamplesFolder(tmp_path / "examples"))
    assert {len(rows[name].unique()) for name in rows.column_names} == {40}


@pytest.mark.slow
def test_the_model_step_trains_on_what_both_scripts_write(
    local_training: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = gpu.write_base(tmp_path / "base", gpu.SMALL)
    gpu.training(base, tmp_path, gpu.SMALL)
    assert "gpu.training ratio" in capsys.readouterr().out
    training_speed.write_pairs(tmp_path / "pairs", 40)
    found = training_speed.train_by_step(str(base), str(tmp_path / "pairs"), 8, 1, str(tmp_path / "speed"))
    assert found["rate"] > 0


def test_a_step_is_measured_in_rate_and_memory(tmp_path: Path) -> None:
    base = gpu.write_base(tmp_path / "base", gpu.SMALL)
    for kind in ("mnrl", "cached_mnrl"):
        found = training_speed.step_of_pairs(str(base), kind, 8)
        assert found["rate"] > 0
        assert found["mebibytes"] >= 0


def test_both_passes_of_gradcache_are_measured_in_bf16(tmp_path: Path) -> None:
    base = gpu.write_base(tmp_path / "base", gpu.SMALL)
    config = replace(gpu.model_config(base, gpu.SMALL), mini_batch_size=4)
    model = gpu.in_bf16(load_base(config, config.usage(), base), "cpu")
    passes: list[tuple[bool, torch.dtype]] = []
    layer = next(module for module in model.modules() if isinstance(module, torch.nn.Linear))
    layer.register_forward_hook(lambda *call: passes.append((torch.is_grad_enabled(), call[2].dtype)))
    columns = [gpu.tokenized(model, gpu.texts(4, gpu.QUERY_WORDS, seed), "cpu") for seed in (1, 2)]
    build_loss(Loss.cached_mnrl, config, model, world_size=1, on_cpu=True)(columns, torch.arange(4)).backward()
    assert passes == [(False, torch.bfloat16)] * 2 + [(True, torch.bfloat16)] * 2

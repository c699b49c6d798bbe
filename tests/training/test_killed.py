"""Trainings whose workers or driver are killed, through real Ray Train: they end as undisturbed ones do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.artifacts.model import ModelRecord
from tests.support.families import write_labelled
from tests.support.killed_training import (
    CHECKPOINT_STEPS,
    config_of,
    has_checkpoint,
    snapshot_of,
    without_dropout,
)
from tests.support.paths import ROOT
from tests.support.training import (
    make_config,
    train,
    train_on,
)
from tests.support.waiting import PATIENCE_SECONDS
from training.config import Family
from training.losses.settings import Loss
from training.resume import checkpoints_of
from training.workers import launch, worker


def dies_once(snapshot: Path) -> Callable[[dict[str, Any]], object]:
    """What a worker does that is killed once, when Ray Train knows of its checkpoint and it is a step further.

    Where no number of steps is set, its first checkpoint is due at once, and the next ones when they cost little.
    """
    plain = worker.train_on_rank

    def train_and_die(settings: dict[str, Any]) -> object:
        import ray.train

        from training.workers import pace
        from training.workers.trainer import CurveCallback

        pace.SECONDS = 0.0

        def die(_: CurveCallback, arguments: Any, state: Any, *others: Any, **options: Any) -> None:
            while state.global_step > CHECKPOINT_STEPS:
                if has_checkpoint(snapshot):
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(0.05)

        if ray.train.get_checkpoint() is None:
            CurveCallback.on_step_end = die  # type: ignore[method-assign,assignment]
        return plain(settings)

    return train_and_die


def train_without_dropout(
    base: Path, folder: Path, loss: Loss, num_workers: int, **changes: Any
) -> tuple[ModelRecord, Path]:
    """Trains a copy of `base` that has no dropout."""
    config = config_of(without_dropout(base, folder), num_workers=num_workers, loss=loss, **changes)
    return train(config, folder)


@pytest.fixture(scope="module")
def of_a_killed_worker(
    ray_session: None, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ModelRecord, Path]:
    """What one worker learned whose process died once, in the middle; checkpoints come by the clock, as by default."""
    folder = tmp_path_factory.mktemp("killed")
    snapshot = snapshot_of(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "train_on_rank", dies_once(snapshot))
        return train_without_dropout(base, folder, Loss.mnrl, 1, checkpoint_steps=0)


@pytest.mark.slow
def test_a_killed_worker_goes_on_from_its_checkpoint(of_a_killed_worker: tuple[ModelRecord, Path]) -> None:
    """The steps of the checkpoint are not trained again; what was learned is held against others' below."""
    record, output = of_a_killed_worker
    assert 1 <= record.resumed_at_step <= CHECKPOINT_STEPS + 1
    assert record.steps == record.epochs * record.examples_per_epoch // 8 > CHECKPOINT_STEPS + 1
    assert record.loss.first > record.loss.last  # of the whole training, not of the rest
    assert (output / "model.safetensors").is_file()


def without_memory_on_rank_1() -> Callable[[dict[str, Any]], object]:
    """What workers do of which only the first finds memory free."""
    plain = worker.train_on_rank

    def with_memory_of_its_own(settings: dict[str, Any]) -> object:
        import ray.train

        from training.losses import auto

        free = (0 if ray.train.get_context().get_world_rank() else 1 << 40, False)
        auto.free_bytes = lambda _: free
        return plain(settings)

    return with_memory_of_its_own


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "has_memory"),
    [
        # Without kills, the gradient of two workers is that of one: tests/training/losses/test_build.py.
        pytest.param(Loss.auto, False, marks=pytest.mark.soak),
        pytest.param(Loss.mnrl, True, marks=pytest.mark.soak),
        pytest.param(Loss.mnrl, False, marks=pytest.mark.soak),
        pytest.param(Loss.cached_mnrl, True, marks=pytest.mark.soak),
    ],
)
def test_two_workers_learn_what_one_learns(
    of_a_killed_worker: tuple[ModelRecord, Path],
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    loss: Loss,
    has_memory: bool,
) -> None:
    """Same plan, negatives gathered across workers, no dropout: the same weights but for rounding, in pieces or not.

    The one was killed and went on, which makes no difference either.

    Where one of them has no memory free, both hold fewer rows: where they choose the loss, by that.
    """
    if not has_memory:
        monkeypatch.setattr(launch, "train_on_rank", without_memory_on_rank_1())
    record_of_one, model_of_one = of_a_killed_worker
    record, model = train_without_dropout(base, tmp_path, loss, 2)
    assert (record_of_one.world_size, record.world_size) == (1, 2)
    assert (record_of_one.loss_kind, record.loss_kind) == ("mnrl", "mnrl" if loss is Loss.mnrl else "cached_mnrl")
    assert record_of_one.steps == record.steps
    check_weights(model, model_of_one, 2e-4)
    logs = sorted(file.name for file in (tmp_path / "store" / "logs").rglob("training-*.log"))
    assert logs == ["training-0.log", "training-1.log"]


@pytest.mark.slow
@pytest.mark.soak
def test_a_classifier_of_two_workers_goes_on_from_its_checkpoint_and_is_calibrated(
    ray_session: None, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The label follows the first word of a text; a rank is killed once, and both start again."""
    config = make_config(
        base, family=Family.classifier, num_workers=2, epochs=12, checkpoint_steps=CHECKPOINT_STEPS, max_failures=1
    )
    snapshot = snapshot_of(tmp_path)
    monkeypatch.setattr(launch, "train_on_rank", dies_once(snapshot))
    record, output = train_on(config, tmp_path, write_labelled(tmp_path / "examples", 60))
    assert (record.family, record.loss_kind, record.world_size) == ("classifier", "cross_entropy", 2)
    assert record.resumed_at_step == CHECKPOINT_STEPS
    assert record.loss.last < record.loss.first / 2, "four epochs are too few to learn it, with one worker too"
    config_file = json.loads((output / "config.json").read_text())
    assert config_file["id2label"] == {"0": "even", "1": "odd"}
    assert config_file["temperature"] > 0
    assert "| training texts | 54 |" in (output / "README.md").read_text()


def kill_a_driver(base: Path, folder: Path) -> None:
    """Starts a training as a process of its own, on the Ray of the session, that dies with its first checkpoint."""
    import ray

    folder.mkdir()
    code = "import sys; from tests.support.killed_training import main; main(*sys.argv[1:])"
    address = ray.get_runtime_context().gcs_address
    ended = subprocess.run(
        [sys.executable, "-c", code, address, str(base), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert has_checkpoint(snapshot_of(folder))


def dies_again(flag: Path) -> Callable[[dict[str, Any]], object]:
    """What a worker does that goes on from a checkpoint and is killed once, some steps later."""
    plain = worker.train_on_rank

    def train_and_die(settings: dict[str, Any]) -> object:
        from training.workers.trainer import CurveCallback

        noted = CurveCallback.on_step_end

        def die(callback: CurveCallback, arguments: Any, state: Any, *others: Any, **options: Any) -> None:
            if state.global_step == CHECKPOINT_STEPS + 5 and not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            noted(callback)

        CurveCallback.on_step_end = die  # type: ignore[method-assign,assignment]
        return plain(settings)

    return train_and_die


def check_weights(model: Path, expected: Path, atol: float) -> None:
    from safetensors.numpy import load_file

    weights = load_file(model / "model.safetensors")
    for name, values in load_file(expected / "model.safetensors").items():
        assert np.allclose(weights[name], values, atol=atol), name


@pytest.mark.slow
def test_where_a_driver_was_killed_another_one_goes_on(
    of_a_killed_worker: tuple[ModelRecord, Path], base: Path, tmp_path: Path
) -> None:
    """The weights are those of the killed worker, which are held against an undisturbed training's above."""
    copy = without_dropout(base, tmp_path)
    kill_a_driver(copy, tmp_path / "killed")
    record, model = train(config_of(copy), tmp_path / "killed")
    assert record.resumed_at_step == CHECKPOINT_STEPS
    assert (record.steps, record.loss) == (of_a_killed_worker[0].steps, of_a_killed_worker[0].loss)
    check_weights(model, of_a_killed_worker[1], 1e-6)
    assert not checkpoints_of(model).exists()


@pytest.mark.soak
@pytest.mark.slow
def test_a_driver_and_then_a_worker_are_killed_and_the_weights_are_those_of_an_undisturbed_training(
    ray_session: None, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout: what is drawn in a step is drawn again."""
    (tmp_path / "undisturbed").mkdir()
    undisturbed, expected = train(config_of(base), tmp_path / "undisturbed")
    kill_a_driver(base, tmp_path / "killed")
    flag = tmp_path / "flag"
    with monkeypatch.context() as patch:
        patch.setattr(launch, "train_on_rank", dies_again(flag))
        record, model = train(config_of(base), tmp_path / "killed")
    assert flag.exists()
    assert (undisturbed.resumed_at_step, record.resumed_at_step) == (0, CHECKPOINT_STEPS)
    assert (record.steps, record.loss) == (undisturbed.steps, undisturbed.loss)
    check_weights(model, expected, 1e-6)


@pytest.mark.soak
@pytest.mark.slow
def test_two_workers_go_on_where_the_driver_of_one_was_killed(
    of_a_killed_worker: tuple[ModelRecord, Path], base: Path, tmp_path: Path
) -> None:
    copy = without_dropout(base, tmp_path)
    kill_a_driver(copy, tmp_path / "killed")
    record, model = train(config_of(copy, num_workers=2), tmp_path / "killed")
    assert (record.resumed_at_step, record.world_size) == (CHECKPOINT_STEPS, 2)
    check_weights(model, of_a_killed_worker[1], 2e-4)

"""The model step through real Ray Train, on a BERT of two small layers made here."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from engine.artifacts.model import ModelRecord
from engine.errors import UserError
from engine.storage.typed import from_json_values, to_json_values
from tests.support.training import Points, make_config, train, with_settings
from training.config import Loss
from training.workers import launch, worker


def test_a_trained_model_loads_and_has_learned(ray_session: None, base: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    config = make_config(base, epochs=8, batch_size=32, query_prefix="query : ")
    record, output = train(config, tmp_path)

    assert record.loss.last < 0.8 * record.loss.first
    assert record.examples == 95
    assert record.batch_size == 19, "few rows make smaller steps, a fifth of the rows each"
    assert record.steps == record.epochs * record.examples_per_epoch / 19
    assert record.learning_rate == pytest.approx(3e-3 * math.sqrt(19 / 32)), "and at a smaller rate"
    assert record.world_size == 1
    assert record.precision == "fp32"
    assert record.loss_kind == "mnrl", "so small a model fits"
    assert record.pairs_per_second > 0
    assert list(record.seconds) == ["prepare", "load", "loop", "save", "total", "start"]
    assert all(seconds >= 0 for seconds in record.seconds.values())
    assert from_json_values(ModelRecord, json.loads(json.dumps(to_json_values(record)))) == record

    model = SentenceTransformer(str(output), device="cpu", local_files_only=True)
    assert model.max_seq_length == 48
    assert (model.prompts["query"], model.prompts["document"]) == ("query : ", "")
    assert {str(parameter.dtype) for parameter in model.parameters()} == {"torch.float32"}
    assert model.encode_query(["word1"]).shape == (1, 32)
    assert (output / "model.safetensors").is_file()
    assert not (output / "checkpoints").exists()
    card = (output / "README.md").read_text()
    assert "| training pairs | 95 |" in card
    assert "wandb" not in card


def test_each_step_is_tracked(ray_session: None, base: Path, tmp_path: Path) -> None:
    tracker = Points()
    record, _ = train(make_config(base), tmp_path, tracker)
    assert [step for _, _, step in tracker.points] == list(range(1, record.steps + 1))
    assert all(noun == "model" and set(point) == {"loss", "learning_rate"} for noun, point, _ in tracker.points)
    assert max(point["learning_rate"] for _, point, _ in tracker.points) == pytest.approx(record.learning_rate)


def test_too_few_examples_are_refused(ray_session: None, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 training examples of 1 documents"):
        train(make_config(base), tmp_path, count=3, documents=1)


def test_too_few_documents_for_the_workers_are_refused(ray_session: None, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="49 training examples of 2 documents"):
        train(make_config(base, num_workers=2), tmp_path, count=50, documents=2)


def test_more_workers_than_cores_are_refused(ray_session: None, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="64 training workers of 1 CPU each do not fit"):
        train(make_config(base, num_workers=64, batch_size=64), tmp_path)


def test_a_trainer_that_fails_says_where_its_log_is(ray_session: None, base: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").mkdir()  # saving the weights must fail
    with pytest.raises(RuntimeError, match=r"training-0\.log"):
        train(make_config(base, epochs=1, max_failures=0), tmp_path)


def test_a_training_that_diverges_fails_and_leaves_no_model(ray_session: None, base: Path, tmp_path: Path) -> None:
    config = make_config(base, learning_rate=1e30)
    with pytest.raises(UserError, match=r"training diverged: at step \d+ of 22 the loss is nan") as caught:
        train(config, tmp_path)
    assert caught.value.where == "model.learning_rate=1e+30"
    assert "lower it" in caught.value.remedy
    assert not list((tmp_path / "model").iterdir())


def test_a_base_for_dot_products_is_trained_and_saved_as_one(ray_session: None, base: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    prompts = {"query": "query : ", "passage": "word1 "}
    e5 = with_settings(base, tmp_path / "e5", prompts=prompts, similarity_fn_name="dot")
    record, output = train(make_config(e5, epochs=1), tmp_path)
    assert record.steps > 0
    model = SentenceTransformer(str(output), device="cpu", local_files_only=True)
    assert model.similarity_fn_name == "dot"
    assert (model.prompts["query"], model.prompts["document"]) == ("query : ", "word1 ")
    card = (output / "README.md").read_text()
    for part in ("compared by dot product", "`'query : '` (the base's own)", "`'word1 '` (the base's own)"):
        assert part in card


@pytest.mark.slow
def test_ranks_of_unequal_memory_train_with_one_loss(
    ray_session: None, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 1 finds no memory free, so that both take the loss that holds fewer rows."""
    plain = worker.train_on_rank

    def with_memory_of_its_own(settings: dict[str, Any]) -> object:
        import ray.train

        from training.losses import auto

        free = (0 if ray.train.get_context().get_world_rank() else 1 << 40, False)
        auto.free_bytes = lambda _: free
        return plain(settings)

    monkeypatch.setattr(launch, "train_on_rank", with_memory_of_its_own)
    record, _ = train(make_config(base, epochs=1, num_workers=2), tmp_path)
    assert (record.world_size, record.loss_kind) == (2, "cached_mnrl")


@pytest.mark.slow
def test_hard_negatives_train_and_are_counted(ray_session: None, base: Path, tmp_path: Path) -> None:
    config = make_config(base, num_hard_negatives=2, symmetric=True, epochs=1, hard_negative_last_rank=1)
    record, output = train(config, tmp_path)
    assert record.steps > 0
    assert (output / "model.safetensors").is_file()
    assert 95 <= record.random_negatives <= 190, "one rank holds at most one of the two negatives of a row"


@pytest.mark.slow
def test_a_killed_worker_goes_on_from_its_checkpoint(ray_session: None, base: Path, tmp_path: Path) -> None:
    """The process dies once, in the middle; the steps of the checkpoint are not trained again."""

    def kill_once() -> None:
        snapshot = tmp_path / "model" / "checkpoints" / "checkpoint_manager_snapshot.json"
        while not snapshot.is_file() or "checkpoint_2" not in snapshot.read_text():  # Ray Train knows of one
            if stop.wait(0.05):
                return
        for process in psutil.Process().children(recursive=True):
            if "RayTrainWorker" in " ".join(process.cmdline()):
                os.kill(process.pid, signal.SIGKILL)

    stop = threading.Event()
    killer = threading.Thread(target=kill_once)
    killer.start()
    try:
        record, output = train(make_config(base, epochs=16, checkpoint_steps=60, max_failures=3), tmp_path)
    finally:
        stop.set()
        killer.join()
    assert record.resumed_at_step >= 60
    assert record.resumed_at_step % 60 == 0
    assert record.resumed_at_step < record.steps
    assert record.loss.first > record.loss.last  # of the whole training, not of the rest
    assert record.steps == 16 * record.examples_per_epoch // 8
    assert (output / "model.safetensors").is_file()


def train_without_dropout(base: Path, folder: Path, loss: Loss, num_workers: int) -> tuple[ModelRecord, Path]:
    """Trains a copy of `base` that has no dropout."""
    copy = folder / "without-dropout"
    copy.mkdir()
    for file in base.iterdir():
        (copy / file.name).symlink_to(file)
    settings = json.loads((base / "config.json").read_text())
    (copy / "config.json").unlink()
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (copy / "config.json").write_text(json.dumps(settings | off))
    config = make_config(copy, epochs=1, num_workers=num_workers, loss=loss, mini_batch_size=2, learning_rate=1e-3)
    return train(config, folder)


@pytest.fixture(scope="module")
def of_one_worker(ray_session: None, base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelRecord, Path]:
    return train_without_dropout(base, tmp_path_factory.mktemp("one"), Loss.mnrl, 1)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [pytest.param(Loss.mnrl, marks=pytest.mark.soak), Loss.cached_mnrl])
def test_two_workers_learn_what_one_learns(
    of_one_worker: tuple[ModelRecord, Path], base: Path, tmp_path: Path, loss: Loss
) -> None:
    """Same plan, negatives gathered across workers, no dropout: the same weights but for rounding, cached or not."""
    from safetensors.numpy import load_file

    record_of_one, model_of_one = of_one_worker
    record, model = train_without_dropout(base, tmp_path, loss, 2)
    assert (record_of_one.world_size, record.world_size) == (1, 2)
    assert (record_of_one.loss_kind, record.loss_kind) == ("mnrl", loss.value)
    assert record_of_one.steps == record.steps
    weights = load_file(model / "model.safetensors")
    for name, expected in load_file(model_of_one / "model.safetensors").items():
        assert np.allclose(expected, weights[name], atol=2e-4), name
    logs = sorted(file.name for file in (tmp_path / "store" / "logs").rglob("training-*.log"))
    assert logs == ["training-0.log", "training-1.log"]

"""The training loop's parts: arguments, batches, pace, and what is sent to the driver."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from torch.utils.data import IterableDataset
from transformers import TrainerControl

from tests.support.training import load, make_config, make_job
from training.config import ModelConfig
from training.losses.build import build_loss
from training.losses.settings import Loss
from training.workers.job import Diverged
from training.workers.progress import Point
from training.workers.trainer import CurveCallback, Prefetched, StreamTrainer, make_arguments, seconds_per_step

CONFIG = ModelConfig(seed=3, learning_rate=1e-4, warmup_share=0.1, checkpoint_steps=50)


def test_nothing_is_printed_uploaded_or_evaluated(tmp_path: Path) -> None:
    arguments = make_arguments(make_job(CONFIG, total_steps=100), tmp_path, share=8, bf16=False, on_cpu=True)
    assert (arguments.max_steps, arguments.per_device_train_batch_size, arguments.warmup_steps) == (100, 8, 10)
    assert arguments.use_cpu
    assert arguments.report_to == []
    assert not arguments.push_to_hub
    assert arguments.save_steps == 50


def test_so_short_a_training_has_no_checkpoint(tmp_path: Path) -> None:
    arguments = make_arguments(make_job(CONFIG), tmp_path, share=8, bf16=False, on_cpu=True, prompts={"query": "q: "})
    assert arguments.prompts == {"query": "q: "}, "what a family says about texts"
    assert arguments.save_strategy == "no", "it is over before one would be worth it"
    paced = make_arguments(
        make_job(replace(CONFIG, checkpoint_steps=0), total_steps=10_000), tmp_path, share=8, bf16=False, on_cpu=True
    )
    assert paced.save_strategy == "no", "checkpoints are asked for by the clock"


def test_batches_reach_the_model_in_the_order_of_the_stream(base: Path, tmp_path: Path) -> None:
    config = make_config(base)
    model = load(config)
    steps = [pa.table({"query": [f"word{step}", "word9"], "passage": ["word1", "word2"]}) for step in (3, 4)]
    trainer = StreamTrainer(
        batches=lambda: iter(steps),
        model=model,
        args=make_arguments(make_job(config, total_steps=2), tmp_path, share=2, bf16=False, on_cpu=True),
        loss=build_loss(Loss.mnrl, config, model, world_size=1, on_cpu=True),
    )
    loaded = [batch["query_input_ids"][0, 1].item() for batch in trainer.get_train_dataloader()]
    assert model.tokenizer.convert_ids_to_tokens(loaded) == ["word3", "word4"]


def test_what_is_learned_about_texts_reaches_the_loss_as_numbers(base: Path, tmp_path: Path) -> None:
    config = make_config(base)
    model = load(config)
    texts = {name: ["word1", "word2"] for name in ("query", "candidate_0", "candidate_1")}
    labels = pa.array([[1.5, 0.5], [2.0, -1.0]], pa.list_(pa.float32(), 2))
    trainer = StreamTrainer(
        batches=lambda: iter([pa.table({**texts, "teacher_scores": labels})]),
        model=model,
        args=make_arguments(make_job(config, total_steps=1), tmp_path, share=2, bf16=False, on_cpu=True),
        loss=build_loss(Loss.kl, config, model, world_size=1, on_cpu=True),
    )
    [batch] = trainer.get_train_dataloader()
    columns, read = trainer.collect_features(batch)
    assert len(columns) == 3
    assert read.tolist() == [[1.5, 0.5], [2.0, -1.0]]
    assert trainer.compute_loss(model, batch) > 0


class Numbers(IterableDataset[int]):
    """Counts up to a number, notes how far, and may fail there."""

    def __init__(self, count: int, *, fails: bool = False) -> None:
        self.count, self.fails, self.made = count, fails, 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.made += 1
            yield number
        if self.fails:
            raise ValueError("the stream broke")


def test_batches_made_ahead_come_in_order_and_only_a_few_wait() -> None:
    numbers = Numbers(50)
    taken = iter(Prefetched(numbers))
    assert [next(taken) for _ in range(10)] == list(range(10))
    assert numbers.made <= 16
    assert list(taken) == list(range(10, 50))


def test_a_stream_that_breaks_while_read_ahead_fails_where_it_broke() -> None:
    taken = iter(Prefetched(Numbers(3, fails=True)))
    assert [next(taken) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the stream broke"):
        next(taken)


def test_a_training_that_ends_early_leaves_no_thread() -> None:
    before = threading.active_count()
    taken = iter(Prefetched(Numbers(50)))
    next(taken)
    taken.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [([0.0, 50.0, 60.0, 70.0, 72.0, 74.0, 76.0, 78.0], 2.0), ([0.0, 9.0, 10.0], 1.0), ([1.0], 0.0), ([], 0.0)],
)
def test_the_pace_leaves_the_first_steps_out(ends: list[float], seconds: float) -> None:
    assert seconds_per_step(ends) == seconds


@pytest.mark.parametrize("is_first", [True, False])
def test_rank_0_sends_the_points_of_the_curve(is_first: bool) -> None:
    sent: list[Point] = []
    actor: Any = SimpleNamespace(add=SimpleNamespace(remote=sent.append))
    callback, state = CurveCallback(actor), SimpleNamespace(is_world_process_zero=is_first, global_step=7)
    control = TrainerControl()
    callback.on_log(None, state, control, logs={"loss": 0.5, "learning_rate": 1e-5})
    callback.on_log(None, state, control, logs={"train_runtime": 3.0})
    assert sent == ([Point(7, 0.5, 1e-5)] if is_first else [])
    assert callback.diverged is None
    assert not control.should_training_stop


@pytest.mark.parametrize("is_first", [True, False])
def test_all_ranks_stop_at_the_first_loss_that_is_not_finite(is_first: bool) -> None:
    actor: Any = SimpleNamespace()  # no point of it is sent
    callback, control = CurveCallback(actor), TrainerControl()
    for step, loss in ((4, float("inf")), (5, float("nan"))):
        state = SimpleNamespace(is_world_process_zero=is_first, global_step=step)
        callback.on_log(None, state, control, logs={"loss": loss})
    assert callback.diverged == Diverged(4, float("inf"))
    assert control.should_training_stop

"""What one training process does, start to end; Ray Train runs it once per rank.

In: a Job. Out: rank 0 writes the finished model into the output folder and returns what it measured.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.models.precision import uses_bf16
from training.bi_encoder import load_base, save_model
from training.config import ModelConfig


@dataclass(frozen=True)
class Job:
    """Everything a worker needs besides its rows.

    Attributes:
        config: of the step, with the batch size and the learning rate that its rows allow.
        base: folder of the base model.
        output: where rank 0 writes the model; on a cluster a folder that all nodes see.
        logs: where this process writes what it would print.
        total_steps: of all epochs.
        batch_size: rows of a global batch.
        threads: cores for each worker's arithmetic.
    """

    config: ModelConfig
    base: Path
    output: Path
    logs: Path
    total_steps: int
    batch_size: int
    threads: int


def train_on_rank(settings: dict[str, Any]) -> dict[str, Any]:
    """The function that Ray Train calls in every worker, and calls again after a failure.

    Args:
        settings: "job", a Job, and "curve", the actor that takes the loss curve.
    """
    import ray.train

    job: Job = settings["job"]
    curve = settings["curve"]
    rank = ray.train.get_context().get_world_rank()
    _log_to(log_file(job.logs, rank))
    started = time.perf_counter()
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return _train(job, curve, None, started)
    with checkpoint.as_directory() as folder:
        return _train(job, curve, Path(folder), started)


def log_file(logs: Path, rank: int) -> Path:
    """Where a rank's output goes."""
    return logs / f"training-{rank}.log"


def _train(job: Job, curve_actor: Any, checkpoint: Path | None, started: float) -> dict[str, Any]:
    import ray.train
    import torch

    context = ray.train.get_context()
    world_size = context.get_world_size()
    on_cpu = not torch.cuda.is_available()
    torch.set_num_threads(job.threads)
    if on_cpu and world_size == 1:
        # With a LOCAL_RANK accelerate would wrap one process in DDP, which then copies all gradients for nobody.
        os.environ.pop("LOCAL_RANK", None)
    from training.losses.memory import choose_loss
    from training.losses.ranking import make_loss
    from training.workers import trainer as loop
    from training.workers.dropout import ByteDropout

    # Read now: Ray Train removes this checkpoint when it has a newer one.
    resumed_at = first_step(checkpoint)
    model = load_base(job.config, job.base)
    bf16 = uses_bf16(job.config.precision)
    loss = choose_loss(
        job.config.loss,
        model[0].auto_model.config,
        rows=job.batch_size // world_size * (1 + job.config.num_hard_negatives),
        tokens=model.max_seq_length,
        bf16=bf16,
        processes=world_size,
    )
    curve = loop.CurveCallback(curve_actor)
    with tempfile.TemporaryDirectory(prefix="synthmill-") as folder:
        share = job.batch_size // world_size
        arguments = loop.make_arguments(
            job.config, Path(folder), total_steps=job.total_steps, share=share, bf16=bf16, on_cpu=on_cpu
        )
        trainer = loop.FedTrainer(
            batches=lambda: _batches(share, resumed_at),
            model=model,
            args=arguments,
            loss=make_loss(loss, job.config, model, world_size=world_size, on_cpu=on_cpu),
            callbacks=[curve, loop.CheckpointCallback()],
        )
        assert arguments.world_size == world_size, f"{arguments.world_size} of {world_size} workers train together"
        loaded = time.perf_counter()
        with ByteDropout():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trained = time.perf_counter()
    if context.get_world_rank() == 0:
        save_model(model, job.config, job.output)
    return {
        "seconds": {"load": loaded - started, "loop": trained - loaded, "save": time.perf_counter() - trained},
        "seconds_per_step": curve.seconds_per_step(),
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "steps": trainer.state.global_step,
        "first_step": resumed_at,
        "world_size": world_size,
        "precision": "bf16" if bf16 else "fp32",
        "loss": loss.value,
        "dimensions": model.get_embedding_dimension(),
        "max_tokens": model.max_seq_length,
    }


def _batches(share: int, first: int) -> Iterator[Any]:
    import ray.train

    from training.batches.feed import SHARD, rank_batches

    return rank_batches(ray.train.get_dataset_shard(SHARD), share, first)


def first_step(checkpoint: Path | None) -> int:
    """Steps that a checkpoint holds."""
    if checkpoint is None:
        return 0
    return int(json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["global_step"])


def _log_to(file: Path) -> None:
    """Sends all that this process prints from here on, from any library or C code, to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for own in (1, 2):
        os.dup2(stream, own)
    os.close(stream)
    logging.captureWarnings(True)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")

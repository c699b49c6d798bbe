"""Runs one training process from start to end; Ray Train calls it once per rank.

In: a TrainingJob, and this rank's stream of batches. Out: rank 0 writes the finished model into a draft that the
driver takes; each rank returns what it measured. torch and sentence-transformers are imported inside the functions,
because the driver imports this module too.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.artifacts.forms import QUERY
from engine.models.precision import Device, Precision, uses_bf16
from training.batches.columns import LABEL_COLUMNS
from training.losses.settings import Loss
from training.resume import new_draft
from training.workers.job import Diverged, Figures, Measured, TrainingJob

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from transformers import TrainerCallback

    from training.families.family import ModelFamily


def train_on_rank(settings: dict[str, Any]) -> Measured | Diverged:
    """Trains on this rank's part of every batch; Ray Train calls it again after a failure.

    Args:
        settings: "job", a TrainingJob, and "curve", the actor that takes the loss curve.

    Returns:
        What was measured; or, of rank 0, where the training diverged, and then no model is written.
    """
    import ray.train

    job: TrainingJob = settings["job"]
    _log_to(job.log_file(ray.train.get_context().get_world_rank()))
    started = time.perf_counter()
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return _train(job, settings["curve"], None, started)
    with checkpoint.as_directory() as folder:
        return _train(job, settings["curve"], Path(folder), started)


def _train(job: TrainingJob, curve_actor: Any, checkpoint: Path | None, started: float) -> Measured | Diverged:
    rank = _set_up_rank(job)
    import torch

    from training.families.family import family_of
    from training.families.reading import reading_at_most
    from training.validation.averaging import Average
    from training.validation.callback import RankView, ValidationCallback
    from training.workers.dropout import ByteDropout
    from training.workers.step_seeds import StepSeeds
    from training.workers.trainer import CurveCallback, seconds_per_step

    resumed_at = first_step(checkpoint)  # read now: Ray Train removes this checkpoint when it has a newer one
    torch.manual_seed(job.config.seed)  # of what a family adds to the base
    family = family_of(job.config)
    model = family.load(job)
    curve, is_first = CurveCallback(curve_actor), rank.number == 0
    average = Average(model, job.base_share if is_first else 0.0)
    view = RankView(is_first, rank.device, rank.bf16, curve_actor)
    validation = ValidationCallback(job, model, average, view, checkpoint)
    callbacks = [curve, StepSeeds(job.config.seed, rank.number, job.earlier_steps), validation]
    with (
        reading_at_most(model, job.config.train_max_tokens),
        tempfile.TemporaryDirectory(prefix="synthmill-") as folder,
    ):
        built = rank.build_loss(family, model)
        trainer = rank.make_trainer(family, model, built.loss, callbacks, folder=Path(folder), first=resumed_at)
        loaded = time.perf_counter()
        with ByteDropout():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trained = time.perf_counter()
    losses = tuple(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    if curve.diverged:
        return curve.diverged
    figures, draft = Figures(), None
    if is_first:
        validation.take_best()
        average.take()
        if not family.is_sound(model):
            return Diverged(trainer.state.global_step, losses[-1])
        draft = new_draft(job.output)
        figures = family.save(replace(job, output=draft), model)
    return Measured(
        load_seconds=loaded - started,
        loop_seconds=trained - loaded,
        save_seconds=time.perf_counter() - trained,
        seconds_per_step=seconds_per_step(curve.step_ends),
        losses=losses,
        steps=trainer.state.global_step,
        resumed_at_step=resumed_at,
        world_size=rank.world_size,
        precision=Precision.bf16 if rank.bf16 else Precision.fp32,
        loss=built.kind,
        in_pieces=built.in_pieces,
        figures=figures,
        max_tokens=model.max_seq_length,
        validation=validation.record(),
        draft=draft,
    )


@dataclass(frozen=True)
class _Built:
    """The loss of a rank: its kind, which is never `auto`, the module, and whether it computes a batch in pieces."""

    kind: Loss
    loss: torch.nn.Module
    in_pieces: bool


@dataclass(frozen=True)
class _Rank:
    """One of the training processes: its number, what it is told, and what it computes on, in which precision."""

    job: TrainingJob
    number: int
    world_size: int
    device: torch.device
    bf16: bool

    @property
    def share(self) -> int:
        """Returns the number of rows of a batch on this rank."""
        return self.job.config.batch_size // self.world_size

    @property
    def is_on_cpu(self) -> bool:
        """Tells whether there is no GPU for this rank."""
        return self.device.type == "cpu"

    def build_loss(self, family: ModelFamily, model: Any) -> _Built:
        """Builds the loss, in pieces where the activations of a step do not fit into the memory of every rank."""
        from training.losses.auto import choose_loss

        configured = family.loss(self.job)
        matters = configured is Loss.auto or family.splits_batches(configured)
        fits = not matters or self._fits(model)
        kind, world_size, on_cpu = choose_loss(configured, fits=fits), self.world_size, self.is_on_cpu
        loss = family.build_loss(kind, self.job, model, world_size=world_size, on_cpu=on_cpu, in_pieces=not fits)
        return _Built(kind, loss, in_pieces=not fits)

    def _fits(self, model: Any) -> bool:
        """Tells whether a step's activations can be held at once, which the ranks decide together: all or none."""
        from training.losses.auto import fits_into_memory
        from training.workers.agreement import is_so_on_all_ranks

        texts = [name for name in self.job.columns if name not in {QUERY, *LABEL_COLUMNS}]
        fits = fits_into_memory(
            model.transformers_model.config,
            rows=self.share * len(texts),
            tokens=model.max_seq_length,
            bf16=self.bf16,
            processes=self.world_size,
        )
        return is_so_on_all_ranks(fits, self.device)

    def make_trainer(
        self,
        family: ModelFamily,
        model: Any,
        loss: torch.nn.Module,
        callbacks: Sequence[TrainerCallback],
        *,
        folder: Path,
        first: int,
    ) -> Any:
        """Builds the trainer of this rank, whose stream begins with step `first`; checkpoints are handed on last."""
        from training.workers.pace import PacedCheckpoints
        from training.workers.trainer import CheckpointCallback, make_arguments

        job, trainer = self.job, family.trainer
        texts = {"kind": trainer.training_args_class, **family.text_arguments(job)}
        arguments = make_arguments(job, folder, share=self.share, bf16=self.bf16, on_cpu=self.is_on_cpu, **texts)
        paced = [] if job.config.checkpoint_steps else [PacedCheckpoints(self.device)]
        joined = arguments.world_size
        assert joined == self.world_size, f"{joined} of {self.world_size} workers train together"
        return trainer(
            batches=lambda: self._batches(first),
            model=model,
            args=arguments,
            data_collator=family.collator(job, model),
            loss=loss,
            callbacks=[*callbacks, *paced, CheckpointCallback()],
        )

    def _batches(self, first: int) -> Iterator[pa.Table]:
        import ray.train

        from training.batches.feed import SHARD, rank_batches

        return rank_batches(ray.train.get_dataset_shard(SHARD), self.share, first)


def _set_up_rank(job: TrainingJob) -> _Rank:
    """Sets the threads and the environment of this process, before anything imports accelerate."""
    import ray.train
    import ray.train.torch
    import torch

    from training.workers.agreement import is_so_on_all_ranks

    context = ray.train.get_context()
    world_size = context.get_world_size()
    device: torch.device = ray.train.torch.get_device()
    kind: Device = "cuda" if device.type == "cuda" else "cpu"
    torch.set_num_threads(job.threads)
    if kind == "cuda":
        torch.cuda.set_device(device)  # else each rank would look at the memory of the first GPU
    elif world_size == 1:
        # With a LOCAL_RANK accelerate would wrap one process in DDP, which then copies all gradients for nobody.
        os.environ.pop("LOCAL_RANK", None)
    bf16 = is_so_on_all_ranks(uses_bf16(job.config.precision, kind), device)
    return _Rank(job, context.get_world_rank(), world_size, device, bf16)


def first_step(checkpoint: Path | None) -> int:
    """Returns the number of steps that a checkpoint holds; 0 where there is none."""
    if checkpoint is None:
        return 0
    return int(json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["global_step"])


def _log_to(file: Path) -> None:
    """Sends all that this process prints from here on, from any library or C code, to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for output in (1, 2):  # stdout and stderr, whatever Python's objects of these names write to
        os.dup2(log, output)
    os.close(log)
    logging.captureWarnings(True)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")

"""The training loop of one rank: the trainers of sentence-transformers, with our batches, checkpoints and reports.

It is imported in training workers only. In: a model, a loss, arguments, a function that gives Arrow batches. Out: the
model trained in place, a loss curve, checkpoints that Ray Train keeps.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray.train
from safetensors.torch import load_model, save_model
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.cross_encoder import CrossEncoderTrainer
from torch.utils.data import DataLoader, IterableDataset
from transformers import TrainerCallback
from transformers.utils import SAFE_WEIGHTS_NAME

from training.batches.columns import LABEL_COLUMNS
from training.losses.own_weights import load_own_weights, save_own_weights
from training.workers.job import Diverged, TrainingJob
from training.workers.progress import Point

_LOGGED_STEPS = 500
"""The loss curve has about so many points, however long training is."""
_BATCHES_AHEAD = 4
"""So many tokenized batches wait for a GPU, which computes one faster than a thread tokenizes it."""
_END = object()
_UNSTEADY_STEPS = 3
"""The first steps allocate memory and fill the prefetch; they are not part of the pace."""


class Streaming:
    """Makes a trainer of transformers take its batches from a stream of Arrow tables; it stands before the trainer.

    The constructor of the trainer accepts datasets of the `datasets` library only, and every batch sampler there is
    ignored for streams; both are bypassed by giving no dataset and building the loader here. The loader is not given to
    accelerate to be split among the ranks, since each rank has a stream of its own.

    Args:
        batches: returns the stream, a table of text columns per step.
        options: what the trainer takes.

    Attributes:
        args: the trainer's arguments.
        data_collator: makes a batch of rows.
        model: what is trained.
        loss: what is minimised.
    """

    args: Any
    data_collator: Any
    model: Any
    loss: Any

    def __init__(self, batches: Callable[[], Iterator[pa.Table]], **options: Any) -> None:
        self._batches = batches
        super().__init__(**options)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Returns a loader that gives tokenized batches as they come, on a GPU some of them ahead."""
        tokenized: IterableDataset[Any] = _Tokenized(self._batches, self.data_collator)
        if self.args.device.type != "cpu":
            tokenized = Prefetched(tokenized)
        return DataLoader(tokenized, batch_size=None)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Adds no callback: `training.card` writes the card."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Writes a checkpoint's weights as they are being trained, whatever layers a family put around the base's.

        Args:
            output_dir: the folder of the checkpoint.
            state_dict: not used; weights are those of the model.
        """
        del state_dict
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.model, str(folder / SAFE_WEIGHTS_NAME))
        save_own_weights(self.loss, folder)

    def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
        """Reads them again, into a model that was loaded and built in the same way."""
        load_model(model or self.model, Path(checkpoint_path) / SAFE_WEIGHTS_NAME)
        load_own_weights(self.loss, Path(checkpoint_path))


class StreamTrainer(Streaming, SentenceTransformerTrainer):
    """The trainer of models that make vectors."""

    def __init__(self, batches: Callable[[], Iterator[pa.Table]], **options: Any) -> None:
        super().__init__(batches, **options)
        self.data_collator.valid_label_columns = list(LABEL_COLUMNS)


class StreamScorerTrainer(Streaming, CrossEncoderTrainer):
    """The trainer of models that make scores."""


class _Tokenized(IterableDataset[dict[str, Any]]):
    """The batches of a stream, each as the trainer's collator makes it."""

    def __init__(
        self, batches: Callable[[], Iterator[pa.Table]], collate: Callable[[list[Any]], dict[str, Any]]
    ) -> None:
        self._batches, self._collate = batches, collate

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # Ray gives a rank its stream in the thread that trains; only reading it may go on in another one.
        batches = self._batches()
        return (self._collate(batch.to_pylist()) for batch in batches)


class Prefetched(IterableDataset[Any]):
    """The items of another dataset, made by a thread while the GPU computes; its tokenizer does not hold the GIL."""

    def __init__(self, items: IterableDataset[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenize") as thread:
            items = iter(self._items)
            waiting = deque(thread.submit(next, items, _END) for _ in range(_BATCHES_AHEAD))
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(thread.submit(next, items, _END))
                yield item


class CurveCallback(TrainerCallback):
    """Sends rank 0's loss curve to the driver, notes when each step ended, and ends a training that diverges.

    The logged loss is the mean over all ranks, so that all of them end with the same step.

    Args:
        curve: the actor of `training.workers.progress.start_curve`.

    Attributes:
        step_ends: when each step ended, in seconds from any moment.
        diverged: where the loss was no finite number for the first time; None while it is one.
    """

    def __init__(self, curve: Any) -> None:
        self._curve = curve
        self.step_ends: list[float] = []
        self.diverged: Diverged | None = None

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Notes when the step ended."""
        self.step_ends.append(time.perf_counter())

    def on_log(self, _: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **__: Any) -> None:
        """Sends a point, without waiting for it to arrive; asks the trainer to stop where the loss is not finite."""
        if not logs or "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            self.diverged = self.diverged or Diverged(state.global_step, logs["loss"])
            control.should_training_stop = True
        elif state.is_world_process_zero:
            self._curve.add.remote(Point(state.global_step, logs["loss"], logs.get("learning_rate", 0.0)))


def seconds_per_step(step_ends: Sequence[float]) -> float:
    """Returns the mean time of a step after the first, unsteady ones; 0 when there were too few steps.

    Args:
        step_ends: when each step ended, in seconds from any moment.
    """
    steady = step_ends[min(_UNSTEADY_STEPS, len(step_ends) // 2) :]
    return (steady[-1] - steady[0]) / (len(steady) - 1) if len(steady) > 1 else 0.0


class CheckpointCallback(TrainerCallback):
    """Hands each checkpoint to Ray Train.

    Ray's own RayTrainReportCallback uploads the folder from every rank, which races with rank 0 still writing it. Here
    rank 0 reports the folder and the others report nothing, equally often, as `ray.train.report` is a barrier.
    """

    def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Reports on all ranks, after rank 0 has written the folder."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        kept = ray.train.Checkpoint.from_directory(folder) if state.is_world_process_zero else None
        ray.train.report({"step": state.global_step}, checkpoint=kept)


def make_arguments(
    job: TrainingJob,
    folder: Path,
    *,
    share: int,
    bf16: bool,
    on_cpu: bool,
    kind: type[Any] = SentenceTransformerTrainingArguments,
    **of_texts: Any,
) -> Any:
    """Makes the trainer's arguments; everything that prints, uploads or evaluates is off.

    Args:
        job: the model's config, and the steps of the whole training.
        folder: a folder of this process alone, for checkpoints on their way to Ray Train.
        share: the rows of a batch on one rank.
        bf16: whether the forward pass is in bf16 autocast instead of fp32.
        on_cpu: whether there is no GPU; accelerate has to be told, or it takes two gloo workers for two trainings.
        kind: the class of the arguments, which trainers are particular about.
        of_texts: what the family says about texts (`ModelFamily.text_arguments`).
    """
    config, total_steps = job.config, job.total_steps
    return kind(
        output_dir=str(folder),
        max_steps=total_steps,
        per_device_train_batch_size=share,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        warmup_steps=round(config.warmup_share * total_steps),
        lr_scheduler_type="linear",
        optim="adamw_torch_fused",
        bf16=bf16,
        use_cpu=on_cpu,
        seed=config.seed,
        # Our batches begin where the checkpoint ends: see `training.batches.feed.rank_batches`.
        ignore_data_skip=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        logging_steps=max(1, total_steps // _LOGGED_STEPS),
        logging_first_step=True,
        # The filter would put the mean so far in the place of a loss that is no number, and hide a divergence.
        logging_nan_inf_filter=False,
        # Where their number is left open, `training.workers.pace` asks for checkpoints.
        save_strategy="steps" if 0 < config.checkpoint_steps < total_steps else "no",
        save_steps=config.checkpoint_steps or total_steps,
        save_total_limit=1,
        eval_strategy="no",
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
        **of_texts,
    )

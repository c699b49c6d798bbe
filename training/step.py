"""The model step: kept examples in, a tuned model out, as a folder that loads without this project.

In: a ModelConfig, and finished folders of documents and examples. Out: the model folder with its card, and the record
of the step. Everything that is planned is planned here, on the driver; tensors are computed in Ray Train's workers.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.model import Losses, ModelRecord
from engine.errors import UserError
from engine.models.resolve import resolve_model
from training.batches.plan import fitting_batch_size, plan_epochs, preferred_batch_size
from training.card import write_card
from training.config import BASE_KEY
from training.iterations import changed_share, earlier_iterations, write_negatives
from training.losses.settings import Loss
from training.origin import origin_of
from training.prepared import mine, read_training_rows
from training.resume import keep_checkpoints, remove_checkpoints, take_draft
from training.rows import too_few_rows
from training.validation.averaging import share_of_base
from training.validation.queries import plan_validation
from training.validation.words import tell_curve
from training.workers.job import Diverged, TrainingJob
from training.workers.launch import choose_workers, train_on_workers

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.runtime.place import Place
    from training.batches.keys import RowKeys
    from training.batches.plan import Rows
    from training.config import ModelConfig
    from training.workers.job import Measured
    from training.workers.launch import WorkerGroup


def train_model(config: ModelConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> ModelRecord:
    """Tunes `config.base` on the kept examples of split "train" and writes the model to `output`.

    Args:
        config: how the base is tuned.
        inputs: the folders "documents" (read for hard negatives, validation and a teacher only), "examples", and
            "teacher" where there is one; in a later iteration "model", that of the one before.
        output: a folder that becomes that of the model; training goes on from checkpoints that an earlier start left
            beside it.
        place: the machine, whose Ray is started.

    Raises:
        UserError: there is no base model, the loss does not fit it or the examples, there are too few examples, or more
            workers than the cluster can hold; or training diverged, and then no model is written.
    """
    started = time.perf_counter()
    base, usage = resolve_model(config.base, key=BASE_KEY), config.usage()
    earlier = earlier_iterations(inputs)
    trained_on = read_training_rows(config, inputs, place, output)
    place.start_ray()
    workers = choose_workers(config, place)
    mined = mine(config, trained_on, earlier, inputs, place)
    rows, keys = trained_on.rows, trained_on.keys(config, mined)
    plan = _plan(config, rows, keys, workers, place, first_epoch=earlier.count * config.epochs)
    (steps, batch_size), output = plan.shape, output.resolve()
    done = keep_checkpoints(output, plan)
    going_on = f", going on after step {done:,}" if done else ""
    what = f"{rows.num_rows:,} examples, {steps:,} steps with {batch_size} each, {workers}"
    fitted = replace(config.with_batch_size(batch_size), loss=trained_on.loss_of(config))
    place.console.step("model", f"{earlier}{what}, {_loss_in_words(fitted.loss)}{going_on}")
    validation = plan_validation(config, inputs, plan.shape, place, trained_on.form)
    prepared = time.perf_counter()
    table = trained_on.table(mined)
    job = TrainingJob(
        fitted,
        usage,
        earlier.model or base,
        output,
        place.logs().resolve(),
        steps,
        workers.threads,
        tuple(table.column_names),
        trained_on.labels,
        base_share=share_of_base(config, base),
        validation=validation,
        earlier_steps=earlier.steps,
    )
    outcome = train_on_workers(job, table, plan, workers, place)
    measured = _settle(outcome.result, config, steps, output)
    _tell_loss(fitted.loss, measured, place)
    before = {"prepare": prepared - started, "earlier": outcome.earlier_seconds}
    seconds = _phases(measured, before, total=time.perf_counter() - started)
    write_card(job, rows, measured, origin_of(inputs), trained_on.notes())
    negatives = trained_on.mined(config, keys)
    write_negatives(output, negatives)
    tell_curve(measured.validation, place)
    record = _record(job, rows.num_rows, mined.num_random, measured, seconds)
    changed = changed_share(negatives, earlier)
    return replace(record, iteration=earlier.count + 1, changed_negatives=changed)


def _settle(result: Measured | Diverged, config: ModelConfig, steps: int, output: Path) -> Measured:
    """Puts the finished model into its folder, and removes the checkpoints; returns what was measured.

    Raises:
        UserError: the training diverged.
    """
    if isinstance(result, Diverged):
        remove_checkpoints(output)
        raise _divergence(result, config, steps)
    assert result.draft, "rank 0 says where it wrote the model"
    take_draft(result.draft, output)
    return result


def _loss_in_words(loss: Loss) -> str:
    """Says which loss is minimised, as far as that is known before workers have looked at their memory."""
    names = [Loss.mnrl.value, Loss.cached_mnrl.value] if loss is Loss.auto else [loss.value]
    return f"loss {' or '.join(names)}"


def _tell_loss(asked: Loss, measured: Measured, place: Place) -> None:
    """Says what the workers decided by their memory."""
    if asked is Loss.auto:
        place.console.step("model", f"the loss was {measured.loss.value}")
    elif measured.in_pieces and asked is not Loss.cached_mnrl:
        what = "a batch's activations did not fit into memory"
        place.console.step("model", f"{what}: {measured.loss.value} was computed in pieces (GradCache)")


def _divergence(diverged: Diverged, config: ModelConfig, total_steps: int) -> UserError:
    """Makes the error for a training whose loss or weights are no longer finite numbers."""
    rate = f"model.learning_rate={config.learning_rate:g}"
    what = f"training diverged: at step {diverged.step} of {total_steps} the loss is {diverged.loss:g}"
    if math.isfinite(diverged.loss):
        what += " and the model's weights or vectors are no finite numbers"
    remedy = "lower it, raise model.warmup_share, or compute with model.precision=fp32"
    return UserError(what, where=rate, remedy=remedy)


def _plan(
    config: ModelConfig, rows: pa.Table, keys: RowKeys, workers: WorkerGroup, place: Place, *, first_epoch: int
) -> Rows:
    """Plans the batches of all epochs, smaller than configured where the rows allow no other.

    The epochs of an iteration count on from those of the ones before, so that their batches are other ones.
    """
    preferred = preferred_batch_size(rows.num_rows, config.batch_size) // workers.size * workers.size
    size = fitting_batch_size(keys, batch_size=preferred, world_size=workers.size, seed=config.seed)
    if size < 2:
        raise too_few_rows(rows)
    if size < preferred:
        place.console.warn(f"batches of {size} rows instead of {preferred}: too few documents")
    planned = {"batch_size": size, "world_size": workers.size, "seed": config.seed}
    return plan_epochs(keys, **planned, epochs=config.epochs, first_epoch=first_epoch)


def _phases(measured: Measured, before: Mapping[str, float], total: float) -> dict[str, float]:
    """Returns the seconds of each phase; "start" is the rest of the total, mostly the start of Ray's workers.

    Args:
        measured: of the last attempt: what earlier ones did is not known, and no part of its start.
        before: the seconds of each phase before that attempt.
        total: the seconds of the step so far.
    """
    worker = {"load": measured.load_seconds, "loop": measured.loop_seconds, "save": measured.save_seconds}
    start = max(0.0, total - sum(before.values()) - sum(worker.values()))
    phases = {**before, **worker, "total": total, "start": start}
    return {name: round(value, 3) for name, value in phases.items()}


def _record(
    job: TrainingJob, num_examples: int, num_random: int, measured: Measured, seconds: Mapping[str, float]
) -> ModelRecord:
    config, pace = job.config, measured.seconds_per_step
    return ModelRecord(
        pairs_per_second=round(config.batch_size / pace, 3) if pace else 0.0,
        steps=measured.steps,
        examples=num_examples,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        examples_per_epoch=job.total_steps * config.batch_size // config.epochs,
        loss=_losses(measured.losses),
        world_size=measured.world_size,
        precision=measured.precision.value,
        loss_kind=measured.loss.value,
        family=config.family.value,
        resumed_at_step=measured.resumed_at_step,
        random_negatives=num_random,
        seconds=seconds,
        base_share=job.base_share,
        earlier_steps=job.earlier_steps,
        validation=measured.validation,
    )


def _losses(losses: tuple[float, ...]) -> Losses:
    """Returns the mean losses of the first and the last tenth of the logged steps; zeros where none was logged."""
    tenth = max(1, math.ceil(len(losses) / 10))
    first, last = losses[:tenth], losses[-tenth:]
    return Losses(
        first=round(statistics.fmean(first), 4) if first else 0.0,
        last=round(statistics.fmean(last), 4) if last else 0.0,
    )

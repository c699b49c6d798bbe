"""The driver's side of training: rows, negatives, batch plan, Ray Train, card, record.

In: kept examples. Out: the model folder and the record of the step. Nothing here computes on tensors.
"""

from __future__ import annotations

import math
import shutil
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import UserError
from training.batches import Indices, RowKeys, fitting_batch_size, plan_epochs, wanted_batch_size
from training.card import CardFacts, render_card
from training.model import ModelConfig
from training.worker import Job, log_file, train_on_rank

if TYPE_CHECKING:
    from engine.place import Place

_COLUMNS = ["query", "passage", "passage_id", "document_id"]


@dataclass(frozen=True)
class Crew:
    """The training processes: how many, and what each of them takes."""

    size: int
    use_gpu: bool
    threads: int


@dataclass(frozen=True)
class Lesson:
    """What is trained on: rows by number, and which of them form each step's batch."""

    rows: pa.Table
    plan: Indices
    num_examples: int
    num_random_negatives: int


def run_training(config: ModelConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    """The model step; see `training.model.train_model`."""
    from engine.models import resolve_model

    started = time.perf_counter()
    base = resolve_model(config.base, key="model.base")
    rows = read_rows(inputs["examples"])
    place.start_ray()
    crew = choose_crew(config, place)
    lesson = _prepare(config, rows, crew, inputs["documents"], place)
    steps, batch_size = lesson.plan.shape
    config = config.with_batch_size(batch_size)
    place.console.step(
        "model", f"{lesson.num_examples:,} examples, {steps:,} steps of {batch_size}, {_crew_text(crew)}"
    )
    prepared = time.perf_counter()
    job = Job(config, base, output.resolve(), place.logs.resolve(), steps, batch_size, crew.threads)
    measured = _fit(job, lesson, crew, place)
    shutil.rmtree(output / "checkpoints", ignore_errors=True)
    record = _record(config, lesson, measured)
    seconds = {"prepare": prepared - started, **measured["seconds"], "total": time.perf_counter() - started}
    seconds["start"] = max(0.0, seconds["total"] - sum(value for name, value in seconds.items() if name != "total"))
    record["seconds"] = {name: round(value, 3) for name, value in seconds.items()}
    (output / "README.md").write_text(_card(config, lesson, measured), encoding="utf-8")
    return record


def read_rows(examples: Path) -> pa.Table:
    """The training examples: kept, and of split "train"."""
    kept = pq.read_table(examples / "kept.parquet", columns=_COLUMNS, filters=[("split", "==", "train")])
    return kept.combine_chunks()


def choose_crew(config: ModelConfig, place: Place) -> Crew:
    """Workers for this cluster; the most that share a batch equally when the config leaves it open."""
    import ray

    resources = ray.cluster_resources()
    num_gpus = resources.get("GPU", 0.0)
    if num_gpus:
        slots = int(num_gpus / config.gpus_per_worker)
        what = f"{num_gpus:g} GPUs at {config.gpus_per_worker:g} each"
    else:
        slots = int(resources.get("CPU", 1.0))
        what = f"{slots} CPUs"
    if config.num_workers > slots:
        raise UserError(
            f"{config.num_workers} training workers do not fit {what}",
            place=f"model.num_workers={config.num_workers}",
            remedy="lower it, or leave it 0",
        )
    wanted = config.num_workers or (slots if num_gpus else 1)
    size = max(number for number in range(1, max(wanted, 1) + 1) if config.batch_size % number == 0)
    return Crew(size=size, use_gpu=bool(num_gpus), threads=max(1, place.num_cpus // size))


def _prepare(config: ModelConfig, rows: pa.Table, crew: Crew, documents: Path, place: Place) -> Lesson:
    num_documents = len(rows["document_id"].unique())
    if num_documents < 2:
        raise _too_few(rows, num_documents)
    num_random, negative_documents = 0, list[list[str]]()
    if config.num_hard_negatives:
        from training.mining import mine_negatives

        mined = mine_negatives(config, rows, documents, place)
        num_random, negative_documents = mined.num_filled, mined.documents
        for index in range(config.num_hard_negatives):
            rows = rows.append_column(f"negative_{index}", pa.array([texts[index] for texts in mined.texts]))
    keys = RowKeys(
        passages=rows["passage"].to_pylist(),
        documents=rows["document_id"].to_pylist(),
        queries=[" ".join(query.casefold().split()) for query in rows["query"].to_pylist()],
        negatives=negative_documents,
    )
    wanted = wanted_batch_size(rows.num_rows, config.batch_size) // crew.size * crew.size
    size = fitting_batch_size(keys, batch_size=wanted, world_size=crew.size, seed=config.seed)
    if size < 2:
        raise _too_few(rows, num_documents)
    if size < wanted:
        place.console.warn(f"batches of {size} rows instead of {wanted}: too few documents")
    plan = plan_epochs(keys, batch_size=size, world_size=crew.size, seed=config.seed, epochs=config.epochs)
    columns = [name for name in rows.column_names if not name.endswith("_id")]
    return Lesson(rows.select(columns), plan, num_examples=rows.num_rows, num_random_negatives=num_random)


def _too_few(rows: pa.Table, num_documents: int) -> UserError:
    return UserError(
        f"{rows.num_rows} training examples of {num_documents} documents are too few to train on",
        place="examples/kept.parquet",
        remedy="give more documents, plan more samples, or loosen the filters of examples",
    )


def _fit(job: Job, lesson: Lesson, crew: Crew, place: Place) -> Mapping[str, Any]:
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from training.feed import SHARD, PlannedShards, plan_dataset
    from training.progress import last_lines, start_curve, watch

    curve = start_curve()
    environment = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": str(crew.threads)}
    resources: dict[str, float] = {"CPU": crew.threads}
    if crew.use_gpu:
        resources["GPU"] = job.config.gpus_per_worker
    trainer = TorchTrainer(
        train_on_rank,
        train_loop_config={"job": job, "curve": curve},
        scaling_config=ScalingConfig(num_workers=crew.size, use_gpu=crew.use_gpu, resources_per_worker=resources),
        run_config=RunConfig(
            name="checkpoints",
            storage_path=str(job.output),
            failure_config=FailureConfig(max_failures=job.config.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            worker_runtime_env={"env_vars": environment},
        ),
        datasets={SHARD: plan_dataset(lesson.plan)},
        dataset_config=PlannedShards(ray.put(lesson.rows), job.batch_size),
    )
    try:
        return watch(lambda: trainer.fit().return_value, curve, job.total_steps, place)
    except ray.train.TrainingFailedError as error:
        log = log_file(job.logs, 0)
        raise RuntimeError(f"training failed; the end of {log}:\n{last_lines(log)}") from error


def _record(config: ModelConfig, lesson: Lesson, measured: Mapping[str, Any]) -> dict[str, object]:
    losses = measured["losses"]
    some = max(1, math.ceil(len(losses) / 10))
    pace = measured["seconds_per_step"]
    return {
        "pairs_per_second": round(lesson.plan.shape[1] / pace, 3) if pace else 0.0,
        "steps": measured["steps"],
        "examples": lesson.num_examples,
        "epochs": config.epochs,
        "batch_size": lesson.plan.shape[1],
        "learning_rate": config.learning_rate,
        "examples_per_epoch": lesson.plan.size // config.epochs,
        "loss": {
            "first": round(statistics.fmean(losses[:some]), 4) if losses else 0.0,
            "last": round(statistics.fmean(losses[-some:]), 4) if losses else 0.0,
        },
        "world_size": measured["world_size"],
        "precision": measured["precision"],
        "loss_kind": measured["loss"],
        "resumed_at_step": measured["first_step"],
        "random_negatives": lesson.num_random_negatives,
    }


def _card(config: ModelConfig, lesson: Lesson, measured: Mapping[str, Any]) -> str:
    names = ("epochs", "warmup_share", "weight_decay", "scale", "symmetric", "train_max_tokens")
    return render_card(
        CardFacts(
            title=f"{Path(config.base.removeprefix('bundled:')).name}, tuned",
            base=config.base,
            dimensions=measured["dimensions"],
            max_tokens=measured["max_tokens"],
            query_prefix=config.query_prefix,
            passage_prefix=config.passage_prefix,
            data={
                "training pairs": f"{lesson.num_examples:,}",
                "different passages": f"{len(lesson.rows['passage'].unique()):,}",
                "hard negatives per query": config.num_hard_negatives,
            },
            settings={
                "loss": measured["loss"],
                "batch size": lesson.plan.shape[1],
                "learning_rate": f"{config.learning_rate:.3g}",
                "steps": measured["steps"],
                "precision": measured["precision"],
                **{name: getattr(config, name) for name in names},
            },
        )
    )


def _crew_text(crew: Crew) -> str:
    what = "GPU" if crew.use_gpu else "CPU"
    return f"{crew.size} {what} worker{'s' if crew.size > 1 else ''}"

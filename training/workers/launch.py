"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.errors import UserError
from training.batches.plan import Indices
from training.config import ModelConfig
from training.workers.worker import Job, log_file, train_on_rank

if TYPE_CHECKING:
    from engine.runtime.place import Place


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
            where=f"model.num_workers={config.num_workers}",
            remedy="lower it, or leave it 0",
        )
    wanted = config.num_workers or (slots if num_gpus else 1)
    size = max(number for number in range(1, max(wanted, 1) + 1) if config.batch_size % number == 0)
    return Crew(size=size, use_gpu=bool(num_gpus), threads=max(1, place.num_cpus // size))


def fit(job: Job, lesson: Lesson, crew: Crew, place: Place) -> Mapping[str, Any]:
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from training.batches.feed import SHARD, PlannedShards, plan_dataset
    from training.workers.progress import last_lines, start_curve, watch

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


def crew_text(crew: Crew) -> str:
    what = "GPU" if crew.use_gpu else "CPU"
    return f"{crew.size} {what} worker{'s' if crew.size > 1 else ''}"

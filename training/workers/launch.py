"""The driver's side of Ray Train: how many workers there are, what each takes, and one training from start to end.

In: a TrainingJob, rows and the batch plan. Out: what rank 0 measured; the model lies in the job's output folder. Ray
Train starts the workers again after a failure, and they go on from the last checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import UserError
from training.workers.worker import train_on_rank

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.runtime.place import Place
    from training.batches.plan import Rows
    from training.config import ModelConfig
    from training.workers.job import Diverged, Measured, TrainingJob


@dataclass(frozen=True)
class WorkerGroup:
    """The training processes.

    Attributes:
        size: how many there are.
        use_gpu: whether each computes on a GPU.
        threads: the cores that each takes.
    """

    size: int
    use_gpu: bool
    threads: int

    def __str__(self) -> str:
        """Returns the group in words, such as `2 GPU workers`."""
        return f"{self.size} {'GPU' if self.use_gpu else 'CPU'} worker{'s' if self.size > 1 else ''}"


def choose_workers(config: ModelConfig, place: Place) -> WorkerGroup:
    """Chooses the workers for the running Ray: as many as configured, or as the cluster's GPUs allow.

    Their number always divides the batch size, so that all of them have equal parts of a batch.

    Raises:
        UserError: more workers are configured than the cluster can hold.
    """
    import ray

    resources = ray.cluster_resources()
    num_gpus = resources.get("GPU", 0.0)
    if num_gpus:
        slots = int(num_gpus / config.gpus_per_worker)
        capacity = f"{num_gpus:g} GPUs at {config.gpus_per_worker:g} each"
    else:
        slots = int(resources.get("CPU", 1.0))
        capacity = f"{slots} CPUs"
    if config.num_workers > slots:
        raise UserError(
            f"{config.num_workers} training workers do not fit {capacity}",
            where=f"model.num_workers={config.num_workers}",
            remedy="lower it, or leave it 0",
        )
    most = config.num_workers or (slots if num_gpus else 1)
    size = max(number for number in range(1, max(most, 1) + 1) if config.batch_size % number == 0)
    return WorkerGroup(size=size, use_gpu=bool(num_gpus), threads=max(1, place.num_cpus // size))


def train_on_workers(
    job: TrainingJob, rows: pa.Table, plan: Rows, workers: WorkerGroup, place: Place
) -> Measured | Diverged:
    """Trains with Ray Train, showing progress, and returns what rank 0 measured, or where the training diverged.

    Args:
        job: what each worker is told; the model is written to its `output`, and checkpoints below that.
        rows: text columns query, passage, negative_0 ...
        plan: int64 (steps, batch_size), numbers of `rows`.
        workers: the processes to start.
        place: the machine, with its terminal and its tracker.

    Raises:
        RuntimeError: training failed more often than `model.max_failures`; the message holds the end of rank 0's log.
    """
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from training.batches.feed import SHARD, PlannedShards, plan_dataset
    from training.workers.progress import last_lines, start_curve, watch

    curve = start_curve()
    environment = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": str(workers.threads)}
    resources: dict[str, float] = {"CPU": workers.threads}
    if workers.use_gpu:
        resources["GPU"] = job.config.gpus_per_worker
    trainer = TorchTrainer(
        train_on_rank,
        train_loop_config={"job": job, "curve": curve},
        scaling_config=ScalingConfig(num_workers=workers.size, use_gpu=workers.use_gpu, resources_per_worker=resources),
        run_config=RunConfig(
            name="checkpoints",
            storage_path=str(job.output),
            failure_config=FailureConfig(max_failures=job.config.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            worker_runtime_env={"env_vars": environment},
        ),
        datasets={SHARD: plan_dataset(plan)},
        dataset_config=PlannedShards(ray.put(rows), job.config.batch_size),
    )
    try:
        outcome: Measured | Diverged = watch(lambda: trainer.fit().return_value, curve, job.total_steps, place)
    except ray.train.TrainingFailedError as error:
        log = job.log_file(0)
        raise RuntimeError(f"training failed; the end of {log}:\n{last_lines(log)}") from error
    return outcome

"""The driver's side of Ray Train: how many workers there are, what each takes, and one training from start to end.

In: a TrainingJob, rows and the batch plan. Out: what rank 0 measured, and the draft of the model that it wrote. After a
failure the workers are started again, and go on from the last checkpoint; a training fails only where it fails again
and again with no new checkpoint in between. Failures are counted here alone, and not by Ray Train as well.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from training.resume import checkpoints_of, steps_kept
from training.workers.worker import train_on_rank

if TYPE_CHECKING:
    import pyarrow as pa
    import ray.train
    from ray.train.torch import TorchTrainer

    from engine.runtime.capacity import Ask, Capacity
    from engine.runtime.place import Place
    from training.batches.plan import Rows
    from training.config import ModelConfig
    from training.workers.job import Diverged, Measured, TrainingJob

_SIGN_OF_NO_MEMORY = "address the out of memory issue"
"""What Ray says of a worker that it ended because its node had no memory left, behind a page of advice."""
_NO_MEMORY = (
    "a node had no memory left, and Ray ended what took most of it; lower model.batch_size or model.mini_batch_size, "
    "or leave more memory to it"
)
_NO_ROOM = (
    "the cluster had no room for all training workers and they are asked for again; others may hold what they need, "
    "also parts of GPUs that together look like enough"
)


@dataclass(frozen=True)
class WorkerGroup:
    """The training processes.

    Attributes:
        size: how many there are.
        threads: the cores that each takes.
        gpus: the GPUs that each takes; 0 without any.
    """

    size: int
    threads: int
    gpus: float = 0.0

    @property
    def use_gpu(self) -> bool:
        """Whether each computes on a GPU."""
        return self.gpus > 0

    def ask(self, capacity: Capacity) -> Ask:
        """Returns what is asked of Ray for all of them, with room left for the tasks that feed them."""
        return capacity.ask("training worker", self.size, self.threads, self.gpus)

    def __str__(self) -> str:
        """Returns the group in words, such as `2 GPU workers`."""
        return f"{self.size} {'GPU' if self.use_gpu else 'CPU'} worker{'s' if self.size > 1 else ''}"


@dataclass(frozen=True)
class Outcome:
    """What came of a training.

    Attributes:
        result: what rank 0 measured, or where the training diverged.
        earlier_seconds: from the beginning of the first attempt to that of the last one, which all times in `result`
            are about; 0 where the first one was the last.
    """

    result: Measured | Diverged
    earlier_seconds: float = 0.0


def choose_workers(config: ModelConfig, place: Place) -> WorkerGroup:
    """Chooses the workers: as many as configured, or as the GPUs of the cluster's nodes allow.

    Their number always divides the batch size, so that all of them have equal parts of a batch.

    Raises:
        UserError: more workers are configured than the nodes can hold.
    """
    capacity = place.capacity()
    gpus = config.gpus_per_worker if capacity.num_gpus else 0.0
    slots = capacity.places(1, gpus)
    most = config.num_workers or (slots if gpus and not config.shares_gpu else 1)
    size = max(number for number in range(1, max(most, 1) + 1) if config.batch_size % number == 0)
    workers = WorkerGroup(size, capacity.most_cores(size, gpus), gpus)
    if size > slots and not place.cluster.autoscaling:
        _make_room(workers.ask(capacity), config, place)  # refuses it before anything is mined
    return workers


class Seats:
    """What the workers take of the cluster, chosen anew before each attempt: nodes and drivers come and go meanwhile.

    Where nodes come up on demand nothing is: one that is lost is replaced as long as as much is asked for.

    Args:
        workers: their number and GPUs stay; their threads are as many as there are cores by then.
        config: the keys that ask for them.
        place: the cluster.
    """

    def __init__(self, workers: WorkerGroup, config: ModelConfig, place: Place) -> None:
        self.workers, self._config, self._place = workers, config, place
        self.task_cpus = 0.0
        """What each task asks for that feeds them."""

    def choose(self) -> None:
        """Reads what there is, and makes room for them; see `_make_room`."""
        capacity = self._place.capacity()
        if not self._place.cluster.autoscaling:
            threads = capacity.most_cores(self.workers.size, self.workers.gpus)
            self.workers = replace(self.workers, threads=threads)
        self.task_cpus = capacity.task_cpus
        self.ask = self.workers.ask(capacity)
        _make_room(self.ask, self._config, self._place)

    def resources(self) -> dict[str, float]:
        """Returns what each of them asks of Ray."""
        return {"CPU": self.ask.cpus} | ({"GPU": self.ask.gpus} if self.workers.use_gpu else {})

    def environment(self) -> dict[str, str]:
        """Returns the variables of their processes."""
        # On a CPU the tokenizer would take the cores of the arithmetic; a GPU waits for it.
        parallel = "true" if self.workers.use_gpu else "false"
        threads = str(self.workers.threads)
        return {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": parallel}


def _make_room(ask: Ask, config: ModelConfig, place: Place) -> None:
    where, remedy = f"model.num_workers={config.num_workers}", "lower it, or leave it 0"
    if ask.count == 1 and ask.gpus:  # the fault of its size, and not of how many there are
        where, remedy = f"model.gpus_per_worker={config.gpus_per_worker:g}", "lower it to what a node has"
    place.make_room(ask, where=where, remedy=remedy)


def train_on_workers(job: TrainingJob, rows: pa.Table, plan: Rows, workers: WorkerGroup, place: Place) -> Outcome:
    """Trains with Ray Train, showing progress, and returns what came of it.

    Args:
        job: what each worker is told; checkpoints and the draft of the model are written beside its `output`.
        rows: the columns that the loss reads.
        plan: int64 (steps, batch_size), numbers of `rows`.
        workers: the processes to start.
        place: the machine, with its terminal and its tracker.

    Raises:
        UserError: no nodes can hold the workers.
        RuntimeError: training failed more than `model.max_failures` times with no new checkpoint in between; the
            message holds the end of rank 0's log.
    """
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from training.batches.feed import SHARD, PlannedShards, plan_dataset
    from training.batches.noise import noise_of
    from training.workers.network import NodeNetwork
    from training.workers.progress import start_curve, watch

    seats = Seats(workers, job.config, place)
    seats.choose()
    curve, checkpoints = start_curve(), checkpoints_of(job.output)
    fed = PlannedShards(ray.put(rows), job.config.batch_size, seats.task_cpus, noise_of(job.config))
    planned = {SHARD: plan_dataset(plan)}

    def make_trainer() -> TorchTrainer:
        return TorchTrainer(
            train_on_rank,
            train_loop_config={"job": replace(job, threads=seats.workers.threads), "curve": curve},
            torch_config=NodeNetwork(),
            scaling_config=ScalingConfig(
                num_workers=workers.size, use_gpu=workers.use_gpu, resources_per_worker=seats.resources()
            ),
            run_config=RunConfig(
                name=checkpoints.name,  # Ray goes on from what it finds there: see `training.resume`
                storage_path=str(checkpoints.parent),
                # Ray Train would wait for ever, without a word, for workers that fit no more once a node is gone.
                # And it would count failures by the run, not by the checkpoint: `fit` counts them.
                failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),
                checkpoint_config=CheckpointConfig(num_to_keep=1),
                worker_runtime_env={"env_vars": seats.environment()},
            ),
            datasets=planned,
            dataset_config=fed,
        )

    train = functools.partial(fit, make_trainer, job, place, seats.choose)
    return watch(train, curve, job.total_steps, place, job.earlier_steps)


def fit(
    make_trainer: Callable[[], TorchTrainer], job: TrainingJob, place: Place, make_room: Callable[[], None]
) -> Outcome:
    """Trains, and after a failure goes on from the last checkpoint; returns what came of it.

    A failure is held against the checkpoint that it left: with a newer one than the failure before, training has moved
    on, and they are counted anew.

    Args:
        make_trainer: makes a trainer that goes on from the last checkpoint.
        job: says how many failures there may be, and where checkpoints and logs are.
        place: has the terminal.
        make_room: chooses anew what the workers take, refuses what no node can hold, and says what is waited for.

    Raises:
        RuntimeError: training failed more than `model.max_failures` times with no new checkpoint in between; the
            message holds the end of rank 0's log.
        UserError: a node is gone, and those that are left cannot hold the workers.
    """
    import ray.train

    newest = failures = 0
    first = attempt = time.perf_counter()
    while True:
        try:
            result: Measured | Diverged = make_trainer().fit().return_value
        except ray.train.TrainingFailedError as error:
            if _had_no_room(error):
                make_room()
                place.console.step("model", _NO_ROOM)  # what is free is known by the node, not by the GPU
                attempt = time.perf_counter()
                continue
            kept = steps_kept(job.output)
            failures = 1 if kept > newest else failures + 1
            newest = max(newest, kept)
            if failures > job.config.max_failures:
                raise _given_up(job, failures, kept, error) from error
            make_room()
            place.console.warn(f"training goes on after {kept} steps: {_cause(error)}")
            attempt = time.perf_counter()
        else:
            return Outcome(result, attempt - first)


def _given_up(job: TrainingJob, failures: int, kept: int, error: Exception) -> RuntimeError:
    from training.workers.progress import last_lines

    times, log = "once" if failures == 1 else f"{failures} times", job.log_file(0)
    what = f"training failed {times} with {kept:,} steps kept (model.max_failures={job.config.max_failures})"
    return RuntimeError(f"{what}: {_cause(error)}; the end of {log}:\n{last_lines(log)}")


def _had_no_room(error: ray.train.TrainingFailedError) -> bool:
    """Tells whether the workers waited in vain for nodes that hold them; Ray Train gives that up after a minute."""
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    return isinstance(getattr(error, "controller_failure", None), WorkerGroupStartupTimeoutError)


def _cause(error: Exception) -> str:
    """Returns the last line of what Ray Train says of a failure; Ray ends a worker when its node has no memory left."""
    if _SIGN_OF_NO_MEMORY in str(error):
        return _NO_MEMORY
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]

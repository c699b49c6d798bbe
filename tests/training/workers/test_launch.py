"""The driver's side of Ray Train: how many workers, and what each takes of a node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import UserError
from engine.runtime.capacity import TASK_CPUS, Capacity, Node
from engine.runtime.place import Place
from training.config import ModelConfig
from training.resume import checkpoints_of
from training.workers.launch import Outcome, Seats, WorkerGroup, choose_workers, fit


class Elsewhere:
    """A place whose cluster has the nodes that a test names."""

    def __init__(self, *nodes: Node, autoscaling: bool = False, gpus_on_demand: float = 0) -> None:
        self.cluster = self
        self.autoscaling = autoscaling
        self._nodes = nodes
        self._gpus_on_demand = gpus_on_demand

    def capacity(self) -> Capacity:
        return Capacity(self._nodes, self._nodes, gpus_on_demand=self._gpus_on_demand)

    def make_room(self, ask: Any, *, where: str, remedy: str) -> None:
        assert not ask.fits(self._nodes)
        raise UserError(str(ask), where=where, remedy=remedy)


def make_config(**changes: Any) -> ModelConfig:
    return ModelConfig(seed=0, **changes)


def choose(config: ModelConfig, *nodes: Node) -> WorkerGroup:
    place: Any = Elsewhere(*nodes)
    return choose_workers(config, place)


def test_without_gpus_there_is_one_worker_unless_asked(place: Place) -> None:
    assert choose_workers(make_config(), place) == WorkerGroup(size=1, threads=2)
    workers = choose_workers(make_config(num_workers=2, batch_size=32), place)
    assert workers == WorkerGroup(size=2, threads=1)


def test_a_worker_has_the_cores_of_one_node_and_not_of_the_driver() -> None:
    assert choose(make_config(), Node(1), Node(16), Node(4)) == WorkerGroup(1, threads=16)
    assert choose(make_config(num_workers=2), Node(4), Node(16)) == WorkerGroup(2, threads=8)
    assert choose(make_config(), Node(64), Node(8, 2)) == WorkerGroup(2, threads=4, gpus=1.0)
    assert choose(make_config(gpus_per_worker=0.5), Node(8, 2)) == WorkerGroup(1, threads=8, gpus=0.5)
    assert choose(make_config(gpus_per_worker=0.6), Node(8, 4)).size == 4, "no worker has parts of two GPUs"
    few_cores = choose(make_config(batch_size=60), Node(3, 4), Node(1, 1))
    assert few_cores == WorkerGroup(4, threads=1, gpus=1.0), "each has a core to itself"


def test_more_workers_than_the_nodes_hold_are_refused(place: Place) -> None:
    with pytest.raises(UserError, match="99 training workers of 1 CPU each do not fit 1 node of 6 CPUs") as caught:
        choose_workers(make_config(num_workers=99, batch_size=99), place)
    assert caught.value.where == "model.num_workers=99"
    with pytest.raises(UserError, match=r"^model.num_workers=8: 8 training workers of 1 CPU and 0\.75 GPUs each"):
        choose(make_config(num_workers=8, gpus_per_worker=0.75), Node(8, 2), Node(8, 3))
    growing: Any = Elsewhere(Node(0), autoscaling=True)
    assert choose_workers(make_config(num_workers=2), growing).size == 2


def test_one_worker_waits_for_a_gpu_that_may_come_up() -> None:
    none_is_up: Any = Elsewhere(Node(8), autoscaling=True, gpus_on_demand=4)
    assert choose_workers(make_config(), none_is_up) == WorkerGroup(1, threads=1, gpus=1.0)
    assert choose_workers(make_config(num_workers=4), none_is_up).size == 4
    two_are_up: Any = Elsewhere(Node(8), Node(8, 2), autoscaling=True, gpus_on_demand=4)
    assert choose_workers(make_config(), two_are_up).size == 2


@pytest.mark.parametrize(("batch_size", "size"), [(128, 2), (129, 3), (127, 1)])
def test_gpus_are_used_as_far_as_they_share_a_batch_equally(batch_size: int, size: int) -> None:
    workers = choose(make_config(batch_size=batch_size), Node(8, 3))
    assert (workers.size, workers.use_gpu) == (size, True)


def test_workers_leave_room_for_the_tasks_that_feed_them() -> None:
    two_cpus = Capacity((Node(2),), (Node(2),))
    for workers in (WorkerGroup(1, threads=2), WorkerGroup(2, threads=1)):
        ask = workers.ask(two_cpus)
        assert ask.fits([replace(two_cpus.nodes[0], cpus=2 - two_cpus.task_cpus)])


def test_workers_take_what_is_there_when_they_start() -> None:
    """While something was mined the driver of another job took a core: with the threads of before they would wait."""
    for autoscaling, threads in ((False, 3), (True, 4)):
        before, after = Elsewhere(Node(4)), Elsewhere(Node(3))
        cluster = SimpleNamespace(autoscaling=autoscaling)
        place: Any = SimpleNamespace(capacity=before.capacity, make_room=lambda *_, **__: None, cluster=cluster)
        seats = Seats(choose_workers(make_config(), place), make_config(), place)
        place.capacity = after.capacity
        seats.choose()
        assert seats.workers.threads == threads, "with less no node would come for what is asked"
        assert seats.environment()["OMP_NUM_THREADS"] == str(threads)
        assert seats.task_cpus == TASK_CPUS
    assert replace(seats.workers, threads=3).ask(Elsewhere(Node(3)).capacity()).cpus == 3 - TASK_CPUS


def test_a_worker_group_in_words() -> None:
    assert str(WorkerGroup(size=1, threads=2)) == "1 CPU worker"
    assert str(WorkerGroup(size=2, threads=2, gpus=1)) == "2 GPU workers"


class Starts:
    """Trainers that fail one after the other, each with the checkpoint that it left, until one trains to the end."""

    def __init__(self, output: Path, failures: Sequence[tuple[int, Exception]]) -> None:
        self._folder, self._failures = checkpoints_of(output), list(failures)
        self.count = 0

    def __call__(self) -> Any:
        return self

    def fit(self) -> Any:
        self.count += 1
        if not self._failures:
            return SimpleNamespace(return_value="measured")
        step, failure = self._failures.pop(0)
        if step:
            name = f"checkpoint_{step}"
            (self._folder / name).mkdir(parents=True, exist_ok=True)
            result = {"checkpoint_dir_name": name, "metrics": {"step": step}}
            listed = {"checkpoint_results": [result], "latest_checkpoint_result": result}
            (self._folder / "checkpoint_manager_snapshot.json").write_text(json.dumps(listed))
        raise failure


def test_training_fails_only_where_it_fails_again_and_again_without_a_new_checkpoint(tmp_path: Path) -> None:
    from ray.train import ControllerError, WorkerGroupError
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    workers_died = WorkerGroupError("killed", {0: RuntimeError("killed")})
    not_connected = ControllerError(RuntimeError("a node died while the workers were connected"))
    no_room = ControllerError(WorkerGroupStartupTimeoutError(2))
    rooms, said, waits = list[str](), list[str](), list[str]()
    place: Any = SimpleNamespace(
        console=SimpleNamespace(warn=said.append, step=lambda noun, text: waits.append(f"{noun}: {text}"))
    )

    def starts_of(name: str, failures: Sequence[tuple[int, Exception]], given_up: str = "", most: int = 1) -> int:
        log = tmp_path / f"{name}.log"
        job: Any = SimpleNamespace(
            output=tmp_path / name, config=make_config(max_failures=most), log_file=lambda _: log
        )
        starts = Starts(job.output, failures)
        if given_up:
            log.write_text("the worker's last words")
            with pytest.raises(RuntimeError, match=given_up) as caught:
                fit(starts, job, place, lambda: rooms.append(name))
            assert str(caught.value).endswith("the worker's last words")
        else:
            assert fit(starts, job, place, lambda: rooms.append(name)).result == "measured"
        return starts.count

    moving = [(20, workers_died), (40, workers_died), (60, not_connected), (80, not_connected)]
    assert starts_of("moves on", moving) == 5
    assert rooms == ["moves on"] * 4, "whether there is room is asked before each new start"
    assert len(said) == 4
    assert said[1].startswith("training goes on after 40 steps: ")
    killed = WorkerGroupError("a page of advice\nRefer to X on how to address the out of memory issue: Y", {})
    assert starts_of("took too much", [(20, killed)]) == 2
    assert said[-1] == (
        "training goes on after 20 steps: a node had no memory left, and Ray ended what took most of it; lower "
        "model.batch_size or model.mini_batch_size, or leave more memory to it"
    )
    said.clear()
    twice = r"^training failed 2 times with 20 steps kept \(model\.max_failures=1\): .*; the end of .*:\n"
    assert starts_of("stands still", [(20, workers_died)] * 5, twice) == 2
    of_both_kinds = [(20, workers_died), (40, workers_died), (40, not_connected), (40, workers_died)]
    assert starts_of("stops moving", of_both_kinds, "failed 3 times with 40 steps kept", most=2) == 4
    assert (
        starts_of("lost its checkpoint", [(20, workers_died), (10, workers_died), (20, workers_died)], "2 times") == 2
    )
    assert starts_of("is not to start again", moving, "failed once with 20 steps kept", most=0) == 1
    assert starts_of("never connected", [(0, not_connected)] * 5, "failed 2 times with 0 steps kept") == 2
    assert waits == []
    assert starts_of("waits for nodes", [(0, no_room)] * 5) == 6, "that is no failure"
    assert len(waits) == 5, "each is said, also where there seems to be room"
    assert waits[0].startswith("model: the cluster had no room for all training workers")


def test_training_ends_where_the_nodes_that_are_left_cannot_hold_it(tmp_path: Path) -> None:
    from ray.train import WorkerGroupError

    job: Any = SimpleNamespace(output=tmp_path, config=make_config())
    starts = Starts(tmp_path, [(20, WorkerGroupError("", {0: RuntimeError("its node died")}))])

    def refuse() -> None:
        raise UserError("2 training workers do not fit 1 node", where="model.num_workers=2", remedy="lower it")

    place: Any = SimpleNamespace()
    with pytest.raises(UserError, match="do not fit 1 node"):
        fit(starts, job, place, refuse)


def test_the_time_of_earlier_attempts_is_told_from_that_of_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.train import ControllerError, WorkerGroupError
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    now = 1000.0
    monkeypatch.setattr("training.workers.launch.time", SimpleNamespace(perf_counter=lambda: now))
    died, no_room = WorkerGroupError("", {0: RuntimeError("")}), ControllerError(WorkerGroupStartupTimeoutError(2))

    class Timed(Starts):
        """Each attempt takes ten seconds."""

        def fit(self) -> Any:
            nonlocal now
            now += 10
            return super().fit()

    def make_room() -> None:
        nonlocal now
        now += 3

    job: Any = SimpleNamespace(output=tmp_path, config=make_config(max_failures=2))
    place: Any = SimpleNamespace(console=SimpleNamespace(warn=lambda _: None, step=lambda *_: None))
    assert fit(Timed(tmp_path, []), job, place, make_room) == Outcome("measured", 0.0)  # type: ignore[arg-type]
    several = Timed(tmp_path, [(20, died), (0, no_room)])
    assert fit(several, job, place, make_room).earlier_seconds == 26, "the last ten are its own"

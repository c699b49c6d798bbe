"""The driver's side of Ray Train: how many workers, and what each takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import UserError
from training.config import ModelConfig
from training.workers.launch import WorkerGroup, choose_workers

PLACE: Any = SimpleNamespace(num_cpus=2)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What Ray says that the cluster holds."""
    resources: dict[str, float] = {"CPU": 6.0}
    monkeypatch.setattr("ray.cluster_resources", lambda: resources)
    return resources


def make_config(**changes: Any) -> ModelConfig:
    return ModelConfig(seed=0, **changes)


def test_without_gpus_there_is_one_worker_unless_asked(cluster: dict[str, float]) -> None:
    assert choose_workers(make_config(), PLACE) == WorkerGroup(size=1, use_gpu=False, threads=2)
    workers = choose_workers(make_config(num_workers=2, batch_size=32), PLACE)
    assert workers == WorkerGroup(size=2, use_gpu=False, threads=1)


def test_more_workers_than_the_cluster_holds_are_refused(cluster: dict[str, float]) -> None:
    with pytest.raises(UserError, match="99 training workers do not fit 6 CPUs") as caught:
        choose_workers(make_config(num_workers=99, batch_size=99), PLACE)
    assert caught.value.where == "model.num_workers=99"
    cluster["GPU"] = 2.0
    with pytest.raises(UserError, match=r"8 training workers do not fit 2 GPUs at 0\.5 each"):
        choose_workers(make_config(num_workers=8, gpus_per_worker=0.5), PLACE)


@pytest.mark.parametrize(("batch_size", "size"), [(128, 2), (129, 3), (127, 1)])
def test_gpus_are_used_as_far_as_they_share_a_batch_equally(
    cluster: dict[str, float], batch_size: int, size: int
) -> None:
    cluster["GPU"] = 3.0
    workers = choose_workers(make_config(batch_size=batch_size), PLACE)
    assert (workers.size, workers.use_gpu) == (size, True)


def test_a_worker_group_in_words() -> None:
    assert str(WorkerGroup(size=1, use_gpu=False, threads=2)) == "1 CPU worker"
    assert str(WorkerGroup(size=2, use_gpu=True, threads=2)) == "2 GPU workers"

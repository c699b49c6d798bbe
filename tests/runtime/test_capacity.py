"""What nodes hold: every process is whole on one of them, and what none can hold is refused before it is waited for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import UserError
from engine.generation.pools import EnginePools
from engine.runtime import capacity
from engine.runtime import place as place_module
from engine.runtime.capacity import TASK_CPUS, Ask, Capacity, Node, free_nodes
from engine.runtime.place import Place
from tests.support.jobs import FAKE, written
from tests.support.waiting import PATIENCE_SECONDS, wait_until

UNLIKE = (Node(1), Node(4), Node(2, 1))
KEY = {"where": "samples.num_engines=9", "remedy": "lower it"}


def test_a_process_is_whole_on_one_node() -> None:
    assert Ask("engine", 1, 4).fits(UNLIKE)
    assert not Ask("engine", 1, 5).fits(UNLIKE), "the 7 CPUs are of three machines"
    assert Ask("engine", 1, 2).places(UNLIKE) == 3
    assert Ask("engine", 1, 1, 1).places(UNLIKE) == 1
    assert Ask("engine", 1, 1, 0.5).places(UNLIKE) == 2
    assert Ask("engine", 1, 1, 0.6).places((Node(8, 4),)) == 4, "a part is of one GPU"
    assert Ask("engine", 1, 1, 0.5).places((Node(8, 1.5),)) == 3, "others hold half of one"
    assert not Ask("engine", 1, 3, 1).fits(UNLIKE), "the GPU is on a machine of 2 CPUs"
    assert Ask("engine", 9, 0).fits([]) is False


@pytest.mark.parametrize(("count", "gpus", "cores"), [(1, 0, 4), (2, 0, 2), (3, 0, 2), (4, 0, 1), (9, 0, 1), (1, 1, 2)])
def test_processes_have_as_many_cores_as_each_can_have_to_itself(count: int, gpus: float, cores: int) -> None:
    assert Capacity(UNLIKE, UNLIKE).most_cores(count, gpus) == cores


def test_gpus_that_may_come_up_count_where_they_are_more() -> None:
    assert Capacity(UNLIKE, UNLIKE, gpus_on_demand=4).num_gpus == 4
    assert Capacity((Node(8, 6),), (Node(8, 6),), gpus_on_demand=4).num_gpus == 6


@pytest.mark.parametrize(("autoscaling", "gpus"), [(True, 4), (False, 0)])
def test_only_a_cluster_that_grows_has_gpus_on_demand(place: Place, autoscaling: bool, gpus: float) -> None:
    place.start_ray()
    cluster = replace(place.cluster, address="auto", autoscaling=autoscaling, gpus_on_demand=4)
    assert capacity.read_capacity(cluster).num_gpus == gpus


def test_what_the_driver_of_a_submitted_job_holds_is_not_to_be_given_out(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an engine that takes all cores of the only node would wait for its own driver."""
    import ray
    from ray.dashboard.modules.job.common import JobInfoStorageClient
    from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_put

    place.start_ray()
    cluster = replace(place.cluster, address="auto")
    [whole] = capacity.read_capacity(cluster).nodes
    key = JobInfoStorageClient.JOB_DATA_KEY.format(job_id="raysubmit_of_a_test")
    job = {"entrypoint_num_cpus": 0.5, "entrypoint_num_gpus": None, "driver_node_id": ray.nodes()[0]["NodeID"]}
    _internal_kv_put(key, json.dumps(job), namespace="job")
    config = {"metadata": {"job_submission_id": "raysubmit_of_a_test"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(config))
    try:
        found = capacity.read_capacity(cluster)
    finally:
        _internal_kv_del(key, namespace="job")
    assert found.nodes == found.cores == found.in_all == (Node(whole.cpus - 0.5, whole.gpus),)
    assert capacity.read_capacity(cluster).nodes == (whole,), "nothing is known of this job by now"


def test_jobs_do_not_count_on_what_each_other_s_drivers_hold(place: Place) -> None:
    """Else each would wait until the other's driver ends; what fits once it has is no mistake, and takes less."""
    import ray
    from ray.dashboard.modules.job.common import JobInfo, JobInfoStorageClient, JobStatus
    from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_put

    place.start_ray()
    cluster, node_id = replace(place.cluster, address="auto"), ray.nodes()[0]["NodeID"]
    [whole] = capacity.read_capacity(cluster).nodes
    for status, node, cpus in (("RUNNING", node_id, 4.0), ("SUCCEEDED", node_id, 0.0), ("PENDING", None, 0.0)):
        key = JobInfoStorageClient.JOB_DATA_KEY.format(job_id="raysubmit_of_another")
        job = JobInfo(JobStatus(status), "synthmill", entrypoint_num_cpus=4, driver_node_id=node)
        _internal_kv_put(key, json.dumps(job.to_json()), namespace="job")
        try:
            found = capacity.read_capacity(cluster)
            ask = found.ask("engine", 1, int(whole.cpus))
            capacity.check_room(ask, cluster, place.console, **KEY)
        finally:
            _internal_kv_del(key, namespace="job")
        assert found.nodes == (Node(whole.cpus - cpus, whole.gpus),), status
        assert found.in_all == (whole,)
        assert ask.cpus == whole.cpus - cpus - TASK_CPUS, "it is not to wait for a driver"


@pytest.mark.parametrize(("began", "stays"), [(5, True), (10, False), (20, False)])
def test_a_job_never_waits_for_the_driver_of_an_earlier_one(
    began: int, stays: bool, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier one may wait for its, so that both would wait for ever. Of two at once the names decide."""
    import ray
    from ray.dashboard.modules.job.common import JobInfo, JobInfoStorageClient, JobStatus
    from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_put

    place.start_ray()
    cluster, node_id = replace(place.cluster, address="auto"), ray.nodes()[0]["NodeID"]
    [whole] = capacity.read_capacity(cluster).nodes
    keys = [JobInfoStorageClient.JOB_DATA_KEY.format(job_id=f"raysubmit_{name}") for name in ("mine", "other")]
    for key, start_time in zip(keys, (10, began), strict=True):
        job = JobInfo(
            JobStatus.RUNNING, "synthmill", start_time=start_time, entrypoint_num_cpus=1, driver_node_id=node_id
        )
        _internal_kv_put(key, json.dumps(job.to_json()), namespace="job")
    config = {"metadata": {"job_submission_id": "raysubmit_mine"}}
    monkeypatch.setenv(capacity.JOB_VARIABLE, json.dumps(config))
    ask = Ask("engine", 1, whole.cpus - 1)
    try:
        found = capacity.read_capacity(cluster)
        assert found.nodes == (Node(whole.cpus - 2, whole.gpus),)
        assert found.in_all == capacity.nodes_in_all() == (Node(whole.cpus - (2 if stays else 1), whole.gpus),)
        if stays:
            with pytest.raises(UserError, match=r"does not fit 1 node .*once the jobs have ended whose drivers hold"):
                capacity.check_room(ask, cluster, place.console, **KEY)
        else:
            capacity.check_room(ask, cluster, place.console, **KEY)
    finally:
        for key in keys:
            _internal_kv_del(key, namespace="job")


def test_as_many_as_are_wanted_fit_beside_drivers() -> None:
    """The first of two jobs has its workers told, and the driver of the second takes a core of theirs."""
    beside = Capacity((Node(2), Node(4)), (Node(2), Node(4)), in_all=(Node(3), Node(4)))
    ask = beside.ask("worker", 7, 1)
    assert ask.fits((Node(2 - TASK_CPUS), Node(4 - TASK_CPUS)))
    assert beside.ask("worker", 8, 1).cpus == 1, "refused as it is"
    gpus = Capacity((Node(2, 0),), (Node(2, 0),), in_all=(Node(3, 1),))
    assert gpus.ask("worker", 1, 1, 1).cpus == 1, "no driver gives a GPU up: it is waited for"


def test_no_node_is_asked_for_less_than_nothing() -> None:
    """A driver has left the node of a GPU less than a task needs."""
    nodes = (Node(0.2, 1), Node(8, 1))
    ask = Capacity(nodes, nodes, in_all=(Node(1, 1), Node(8, 1))).ask("engine", 2, 0.2, 1)
    assert ask.cpus == 0
    assert ask.fits(nodes)


def test_what_drivers_of_jobs_hold_are_gpus_all_the_same() -> None:
    """A run that took the cluster for one without GPUs would compute on CPUs, and never say so."""
    assert Capacity((Node(8),), (Node(8),), held_gpus=1).num_gpus == 1


def test_processes_with_gpus_share_the_cpus_of_their_node() -> None:
    nodes = (Node(64), Node(7, 8), Node(16, 4))
    assert Capacity(nodes, nodes).cpus_beside(1, 12) == 7 / 8
    assert Capacity(nodes, nodes).cpus_beside(2, 6) == 1
    assert Capacity(nodes[:1], nodes[:1]).cpus_beside(1, 1) == 1, "no such node is up"


def test_without_nodes_there_is_one_core_to_ask_for() -> None:
    nothing = Capacity((), ())
    assert (nothing.most_cores(1), nothing.num_cores, nothing.num_gpus) == (1, 1, 0)
    assert nothing.ask("engine", 1, 1).cpus == 1


@pytest.mark.parametrize(
    ("nodes", "count", "cpus"),
    [((2,), 1, 2), ((2,), 2, 1), ((1, 1, 1), 3, 1), ((1, 1, 1), 2, 1), ((8, 4), 3, 4), ((8, 4), 1, 4), ((64, 8), 9, 8)],
)
def test_who_holds_all_cpus_leaves_room_for_a_task(nodes: tuple[int, ...], count: int, cpus: int) -> None:
    held = tuple(Node(cpus) for cpus in nodes)
    ask = Capacity(held, held).ask("engine", count, cpus)
    assert ask.fits(held)
    for node in held:
        times = min(count, ask.places([node]))
        assert node.cpus - times * ask.cpus >= TASK_CPUS, "whichever of the nodes is left in the end"
    assert ask.places(held) == Ask("engine", count, cpus).places(held), "and no engine more finds room than before"


@pytest.mark.parametrize(
    ("nodes", "count", "cpus"), [((15, 4), 4, 4), ((3, 1), 4, 1), ((7.5, 4), 8, 1), ((31, 8, 1), 4, 8)]
)
def test_less_for_a_small_node_does_not_fill_a_larger_one(nodes: tuple[float, ...], count: int, cpus: int) -> None:
    """What leaves room on the small node may be so little that the larger one holds one more, and is full."""
    held = tuple(Node(cpus) for cpus in nodes)
    ask = Capacity(held, held).ask("engine", count, cpus)
    assert ask.fits(held)
    for node in held:
        assert node.cpus - min(count, ask.places([node])) * ask.cpus >= TASK_CPUS


def test_who_waits_for_nodes_leaves_room_for_a_task_on_them() -> None:
    """Two workers, and one node of two is up: on both of them workers that ask for all would stop what feeds them."""
    for up in ((), (Node(1),)):
        assert Capacity(up, up).ask("worker", 2, 1).cpus == 1, "nothing comes up, and it is refused as it is"
        ask = Capacity(up, up, may_grow=True).ask("worker", 2, 1)
        assert ask.fits((Node(1), Node(1)))
        assert 2 - 2 * ask.cpus >= TASK_CPUS


def test_who_leaves_cpus_anyway_asks_for_whole_ones() -> None:
    larger = (Node(8), Node(4.5), Node(2))
    assert Capacity(larger, larger).ask("engine", 1, 4).cpus == 4
    with_gpus = (Node(16, 2.0), Node(16))
    assert Capacity(with_gpus, with_gpus).ask("engine", 2, 7, 1).cpus == 7
    assert Capacity(with_gpus, with_gpus).ask("engine", 2, 8, 1).cpus == 8 - TASK_CPUS / 2


def test_processes_in_words() -> None:
    assert str(Ask("engine", 1, 4)) == "1 engine of 4 CPUs"
    assert str(Ask("engine", 2, 1, 1)) == "2 engines of 1 CPU and 1 GPU each"
    assert str(Ask("training worker", 2, 1.75)) == "2 training workers of 1.75 CPUs each"


def test_cores_are_those_of_the_machine_where_ray_counts_more(place: Place) -> None:
    found = place.capacity()
    assert [node.cpus for node in found.cores] == [place.num_cpus] == [2]
    assert found.nodes[0].cpus > 2
    elsewhere = replace(place, cluster=replace(place.cluster, address="auto")).capacity()
    assert elsewhere.cores == elsewhere.nodes, "of another Ray the driver's cores say nothing"


def test_what_no_node_can_hold_is_refused(place: Place) -> None:
    for refuse in (place.check_room, place.make_room):
        with pytest.raises(UserError, match="2 engines of 99 CPUs each do not fit 1 node of 6 CPUs") as caught:
            refuse(Ask("engine", 2, 99), **KEY)
        assert caught.value.where == KEY["where"]
        assert caught.value.remedy == "lower it; where nodes come up on demand, set cluster.autoscaling=true"


def test_what_may_come_up_is_waited_for_with_a_word(place: Place) -> None:
    growing = replace(place, cluster=replace(place.cluster, autoscaling=True))
    growing.make_room(Ask("engine", 1, 99), **KEY)
    assert "waiting for nodes to come up: 1 engine of 99 CPUs; what is up: 1 node of 6 CPUs" in written(place)


@pytest.fixture
def holder(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody who holds all CPUs but one, and half of that."""
    import ray

    monkeypatch.setattr(capacity, "_SETTLE_SECONDS", 0.5)

    class Holder:
        def is_here(self) -> bool:
            return True

    actor = ray.remote(num_cpus=5.5)(Holder).remote()
    assert ray.get(actor.is_here.remote())
    yield
    ray.kill(actor)


def test_what_others_hold_is_waited_for_with_a_word(place: Place, holder: None) -> None:
    wait_until(lambda: max(node.cpus for node in free_nodes()) <= 0.5, "the news of what is held")
    place.make_room(Ask("engine", 1, 2), **KEY)
    assert "waiting until others give back what they hold: 1 engine of 2 CPUs" in written(place)


def test_tasks_are_as_small_as_the_room_that_is_left(place: Place, holder: None) -> None:
    assert place.room_for_tasks("curation task") == TASK_CPUS
    assert written(place) == ""


@pytest.mark.parametrize(
    ("free", "cpus"), [((2, 2), 1.0), ((1, 1.5), 1.0), ((0.25, 2), TASK_CPUS), ((2,), TASK_CPUS), ((0, 2, 2), 1.0)]
)
def test_tasks_are_small_where_only_some_nodes_have_room(
    place: Place, monkeypatch: pytest.MonkeyPatch, free: tuple[float, ...], cpus: float
) -> None:
    """The nodes with room may be dead and not yet missed, and those that engines fill be all that there are."""
    nodes = (Node(2), Node(2), Node(0))  # a head that offers none
    monkeypatch.setattr(place_module, "read_capacity", lambda _: Capacity(nodes, nodes))
    monkeypatch.setattr(place_module, "free_nodes", lambda: [Node(cpus) for cpus in free])
    assert place.room_for_tasks("curation task") == cpus


def test_engines_that_are_in_the_way_end_and_load_again(
    place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "_SETTLE_SECONDS", PATIENCE_SECONDS)
    config = replace(FAKE, cpus_per_engine=2)
    before: Any = pools.start(config, place)
    before.wait_ready()
    place.make_room(Ask("curation task", 1, 3), **KEY)
    assert pools.start(config, place) is before, "there is room beside it"
    monkeypatch.setattr(capacity, "_SETTLE_SECONDS", 0.5)
    place.make_room(Ask("curation task", 1, 5), **KEY)
    assert "the engines end for 1 curation task of 5 CPUs; they load again when they are needed" in written(place)
    wait_until(lambda: Ask("", 1, 5).fits(free_nodes()), "the room that they held")
    again: Any = pools.start(config, place)
    assert again is not before
    assert again._budget is before._budget, "of samples.max_seconds they have what is left"

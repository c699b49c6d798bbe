"""The engines of one model: their seeds, and starts that fail or find too little memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.generation import engines
from engine.generation.config import GeneratorConfig
from engine.generation.endings import answer_of
from engine.generation.engine import Engine
from engine.generation.engines import EngineGroup
from engine.generation.fake_generator import MEMORY_BYTES
from engine.generation.pool import EnginePool
from engine.generation.pools import EnginePools
from engine.generation.seeds import seed_from
from engine.generation.sending import MOST_SENT
from engine.runtime.capacity import TASK_CPUS, Capacity, Node
from engine.runtime.place import Place
from tests.support.engines import kill
from tests.support.jobs import FAKE, job_at, units, written
from tests.support.places import printed
from tests.support.waiting import wait_until


def test_an_engine_that_cannot_start_says_why(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match=r"samples\.model=.*broken"):
        pools.start(GeneratorConfig(model=str(broken), seed=0), place)


@pytest.fixture
def group(place: Place) -> Iterator[EngineGroup]:
    """A group of one engine, which is loaded."""
    loaded = EngineGroup(replace(FAKE, max_step_seconds=60.0), place, "")
    listen_until(loaded, lambda: len(loaded.loaded()) == 1)
    yield loaded
    loaded.stop()


def listen_until(group: EngineGroup, there: Callable[[], bool]) -> list[Engine]:
    """Listens until something has come true; returns the engines that have ended by then."""
    ended: list[Engine] = []

    def is_there() -> bool:
        ended.extend(engine for engine in group.listen()[1] if engine not in ended)
        return there()

    wait_until(is_there, "what the group was listened to for")
    return ended


def test_an_engine_that_ended_leaves_a_place_that_is_filled(group: EngineGroup, place: Place) -> None:
    kill(place, 0)
    [dead] = listen_until(group, lambda: not group.loaded())
    assert dead.reason == "its process was killed"
    group.remove(dead, 0)
    listen_until(group, lambda: [engine.index for engine in group.loaded()] == [1])
    group.stop()
    assert (group.listen(), group.engines) == (([], []), []), "a group that was stopped starts none"


def test_an_engine_that_no_node_has_room_for_any_more_is_chosen_anew(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node that it was made for is gone, or has the driver of another job by now: it would wait for ever."""
    import ray

    place.start_ray()
    cpus = sum(node.cpus for node in place.capacity().nodes)
    holder = ray.remote(num_cpus=cpus - 1)(Holder).remote()
    assert ray.get(holder.is_here.remote())
    whole = EngineGroup(replace(FAKE, cpus_per_engine=0, gpus_per_engine=0), place, "")
    try:
        [waiting] = whole.engines
        monkeypatch.setattr(engines, "_LOOK_SECONDS", 0.0)
        whole.listen()
        assert whole.engines == [waiting], "there is a node for it, which others hold"
        smaller = Capacity((Node(1),), (Node(1),))
        monkeypatch.setattr(Place, "capacity", lambda _: smaller)
        whole.listen()
        assert whole.engines == [waiting], "for two minutes the node may come back"
        monkeypatch.setattr(engines, "_HOMELESS_SECONDS", 0.0)
        listen_until(whole, lambda: len(whole.loaded()) == 1)
        [engine] = whole.engines
        assert (engine.processors.cpus, engine.processors.asked_cpus) == (1, 1 - TASK_CPUS)
        assert "no node has what an engine held; from now on: 1 engine of 1 CPU" in printed(place)
    finally:
        whole.stop()
        ray.kill(holder)


class Holder:
    """An actor of somebody else."""

    def is_here(self) -> bool:
        return True


def test_time_in_which_the_driver_slept_counts_against_no_engine(
    group: EngineGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    group.listen()
    awake = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: awake() + 3600)
    assert group.listen() == ([], [])
    assert len(group.loaded()) == 1


def test_engines_draw_by_the_seed_that_the_driver_knows(place: Place, pools: EnginePools) -> None:
    """What run, start and engine make of it, tests/generation/test_seeds.py holds."""
    pool = pools.start(replace(FAKE, num_engines=2), place, "abc/1")
    assert isinstance(pool, EnginePool)
    pool.wait_ready(2)
    for number, engine in enumerate(pool.engines):
        assert engine.seed == seed_from(FAKE.seed, "abc/1", number)
        said = (place.logs() / f"engine-{number}.log").read_text().splitlines()
        assert f"engine {number}: seed {engine.seed}" in said


def test_an_engine_without_memory_starts_once_more_with_less(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_BYTES, "1000")
    pool = pools.start(replace(FAKE, kv_cache_bytes=1500, num_engines=2), place)
    assert isinstance(pool, EnginePool)
    pool.wait_ready(2)
    pool.generate(*job_at(tmp_path), units(60, 15), lambda _: None)
    assert SamplesFolder(tmp_path).rows().num_rows == 60
    assert [engine.config.kv_cache_bytes for engine in pool.engines] == [750, 750]
    warnings = written(place).count("kv_cache_bytes 1500 -> 750")
    assert warnings == 1, "both engines are told at once"


@pytest.mark.parametrize(("kv_cache_bytes", "said"), [(5000, "MemoryError: 2500 bytes"), (50_000, "was killed while")])
def test_an_engine_that_finds_no_memory_twice_names_the_settings(
    place: Place, pools: EnginePools, kv_cache_bytes: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_BYTES, "1000")
    pool = pools.start(replace(FAKE, kv_cache_bytes=kv_cache_bytes), place)
    with pytest.raises(UserError, match=said) as caught:
        pool.wait_ready()
    assert "also with smaller limits" in caught.value.what
    assert "lower samples.kv_cache_bytes" in caught.value.remedy
    assert f"kv_cache_bytes {kv_cache_bytes} -> {kv_cache_bytes // 2}" in written(place)


def test_an_engine_that_stops_is_waited_for_as_long_as_its_parts_arrive(
    group: EngineGroup, tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_STOP_SECONDS", 1.0)
    (tmp_path / "sent").mkdir()

    def send_slowly(part: Path) -> None:
        time.sleep(2)
        (tmp_path / "sent" / part.name).touch()

    job = replace(job_at(tmp_path)[0], upload=send_slowly)
    group.open(job)
    listen_until(group, lambda: len(group.working()) == 1)
    [engine] = group.working()
    [unit] = units(60, 60)
    engine.give(unit)
    wait_until(lambda: answer_of(engine.actor.report.remote()).num_sent == MOST_SENT, "parts are on their way")
    group.stop()
    sent = sorted(file.name for file in (tmp_path / "sent").iterdir())
    assert sent == sorted(file.name for file in job.attempt_folder.iterdir())
    assert len(sent) >= MOST_SENT
    assert "that are still being sent" in written(place)
    assert "did not stop in good order" not in written(place)


def test_an_engine_that_sends_nothing_more_is_not_waited_for(
    group: EngineGroup, tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_STOP_SECONDS", 0.1)
    monkeypatch.setattr(engines, "_UPLOAD_SECONDS", 0.5)

    def hang(_: Path) -> None:
        time.sleep(3600)

    group.open(replace(job_at(tmp_path)[0], upload=hang))
    listen_until(group, lambda: len(group.working()) == 1)
    [engine] = group.working()
    [unit] = units(30, 30)
    engine.give(unit)
    wait_until(lambda: answer_of(engine.actor.report.remote()).num_sent > 0, "a part is on its way")
    group.stop()
    assert "engine 0 did not stop in good order" in written(place)

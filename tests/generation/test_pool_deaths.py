"""Engines that come and go while a pool of real actors works: killed, hanging, broken, late, or never there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.generation import pool as pool_module
from engine.generation import shortage
from engine.generation.fake_generator import LOAD_SECONDS, SAMPLES_PER_SECOND, STEPS_BEFORE_HANG
from engine.generation.jobs import Unit
from engine.generation.pool import EnginePool
from engine.generation.pools import EnginePools
from engine.runtime.place import Place
from engine.samples.config import SamplesConfig
from tests.support.engines import hold_cpus, kill, kill_after_its_first_part
from tests.support.jobs import FAKE, job_at, rows, units, written
from tests.support.waiting import wait_until

TWO = replace(FAKE, num_engines=2)
WIDE = replace(TWO, cpus_per_engine=3)
"""Two engines that fill the six CPUs of the tests' Ray."""
MOST_ROWS = 20_000


def start(pools: EnginePools, config: SamplesConfig, place: Place, loaded: int = 0) -> EnginePool:
    """A pool of which so many engines are loaded."""
    pool = pools.start(config, place)
    assert isinstance(pool, EnginePool)
    pool.wait_ready(loaded)
    return pool


@contextmanager
def meanwhile(do: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Does something in a thread while the body runs."""
    thread = threading.Thread(target=do, args=arguments)
    thread.start()
    yield
    thread.join()


class WorkUntil:
    """Units of ten rows that come until something has happened, however slow the machine is."""

    def __init__(self, there: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pool_module, "_UNITS_WAITING", 4)
        self._there, self.count = there, 0

    def __iter__(self) -> Iterator[Unit]:
        while not self._there():
            assert self.count < MOST_ROWS, "it never happened"
            prefix, first = self.count // 10 % 3, self.count
            self.count += 10
            yield Unit(prefix, rows(10, prefix, first))


def has_part(folder: Path, engine: int) -> bool:
    """Whether an engine has written a part."""
    return any(folder.glob(f"attempt-*/part-e{engine}-*.parquet"))


def writers(folder: Path, count: int) -> set[int]:
    """The engines that wrote the samples of a folder, which has every id once."""
    table = SamplesFolder(folder).rows()
    assert table["sample_id"].to_pylist() == list(range(count))
    return set(table["engine"].to_pylist())


def test_the_others_go_on_while_a_dead_engine_is_replaced(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SAMPLES_PER_SECOND, "60")
    pool = start(pools, TWO, place, loaded=2)
    monkeypatch.setenv(LOAD_SECONDS, "3600")

    def end_engines() -> None:
        kill_after_its_first_part(place, tmp_path, 0)
        kill(place, 2)  # while it loads

    third = place.logs() / "engine-3.log"
    work = WorkUntil(third.exists, monkeypatch)
    with meanwhile(end_engines):
        totals = pool.generate(*job_at(tmp_path), work, lambda _: None)
    assert writers(tmp_path, work.count) == {0, 1}
    assert sum(engine.committed for engine in totals) == work.count
    assert "engine 2 died; its uncommitted samples are done again: its process was killed" in written(place)
    assert "too little memory" not in written(place), "others have loaded with as much"


def test_a_run_begins_with_the_engine_that_is_there_and_another_joins_later(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setenv(SAMPLES_PER_SECOND, "60")
    holder = hold_cpus(1)
    pool = start(pools, WIDE, place, loaded=1)

    def make_room() -> None:
        wait_until(lambda: has_part(tmp_path, 0), "a part of the first engine")
        ray.kill(holder)

    work = WorkUntil(lambda: has_part(tmp_path, 1), monkeypatch)
    with meanwhile(make_room):
        pool.generate(*job_at(tmp_path), work, lambda _: None)
    assert writers(tmp_path, work.count) == {0, 1}


def test_an_engine_that_is_never_placed_is_not_waited_for(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    import ray

    holder = hold_cpus(1)
    try:
        start(pools, WIDE, place).generate(*job_at(tmp_path), units(60, 10), lambda _: None)
        assert writers(tmp_path, 60) == {0}
    finally:
        ray.kill(holder)


def test_a_run_without_any_engine_says_what_it_waits_for(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(shortage, "NEWS_SECONDS", 0.1)
    holder = hold_cpus(4)

    def make_room() -> None:
        wait_until(lambda: written(place).count("waiting for"), "the news")
        ray.kill(holder)

    with meanwhile(make_room):
        start(pools, replace(WIDE, num_engines=1), place, loaded=1)
    assert "waiting for 3 CPUs: the cluster has 6, of which" in written(place)


def test_an_engine_that_died_between_two_jobs_is_replaced(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    pool = start(pools, FAKE, place)
    pool.generate(*job_at(tmp_path), units(30, 15), lambda _: None)
    kill(place, 0)
    pool.generate(*job_at(tmp_path / "again"), units(30, 15), lambda _: None)
    assert writers(tmp_path / "again", 30) == {1}


def test_engines_may_die_as_often_as_they_like_while_the_work_goes_on(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SAMPLES_PER_SECOND, "100")
    pool = start(pools, replace(FAKE, max_engine_deaths=1), place, loaded=1)
    work = WorkUntil(lambda: has_part(tmp_path, 3), monkeypatch)
    with meanwhile(kill_after_its_first_part, place, tmp_path, 0, 1, 2):
        pool.generate(*job_at(tmp_path), work, lambda _: None)
    assert writers(tmp_path, work.count) == {0, 1, 2, 3}


def test_an_engine_that_hangs_is_replaced(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STEPS_BEFORE_HANG, "3")
    pool = start(pools, replace(FAKE, max_step_seconds=5.0), place, loaded=1)
    monkeypatch.delenv(STEPS_BEFORE_HANG)
    pool.generate(*job_at(tmp_path), units(60, 15), lambda _: None)
    assert {0} < writers(tmp_path, 60), "what it had committed is kept, and others wrote the rest"
    assert "done again: it finished no step in 5 s (samples.max_step_seconds)" in written(place)


def test_an_engine_that_hangs_does_not_keep_the_run_from_stopping(
    place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("engine.generation.engines._STOP_SECONDS", 0.5)
    monkeypatch.setenv(STEPS_BEFORE_HANG, "3")
    pool = start(pools, replace(FAKE, max_seconds=2.0), place, loaded=1)
    pool.generate(*job_at(tmp_path), units(60, 15), lambda _: None)
    assert pool.out_of_time
    assert "engine 0 did not stop in good order" in written(place)


MISSING = "KeyError: 'condition_missing'"


@pytest.mark.parametrize(
    ("changes", "work", "said"),
    [
        ({"conditions": ["missing"]}, rows(20), MISSING),  # as a row is written, in the loop
        ({"prompts": None}, rows(20), "AttributeError: 'NoneType' object has no attribute 'compile'"),  # in open
        ({}, rows(20).drop_columns(["text"]), "KeyError: 'text'"),  # in the actor's own method
    ],
)
def test_a_defect_that_every_engine_meets_ends_the_run_with_one_line(
    tmp_path: Path, place: Place, pools: EnginePools, changes: Any, work: Any, said: str
) -> None:
    pool = start(pools, replace(FAKE, max_engine_deaths=1), place)
    job, parts = job_at(tmp_path)
    with pytest.raises(UserError, match="engines died 2 times in a row with nothing committed") as caught:
        pool.generate(replace(job, **changes), parts, [Unit(0, work)], lambda _: None)
    assert caught.value.what.endswith(f"the last of: {said}")
    assert "engine-1.log" in caught.value.remedy
    assert f"engine 0 died; its uncommitted samples are done again: {said}" in written(place)

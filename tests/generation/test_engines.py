"""The engines of one model: what the driver knows of each, and starts that find too little memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.generation.actor import Loaded
from engine.generation.config import GeneratorConfig
from engine.generation.engines import Engine, EngineState
from engine.generation.fake_generator import MEMORY_BYTES
from engine.generation.jobs import Unit
from engine.generation.pool import EnginePool
from engine.generation.pools import EnginePools
from engine.generation.processors import Processors
from engine.generation.totals import EngineTotals
from engine.runtime.place import Place
from tests.support.jobs import FAKE, job_at, rows, units, written


@pytest.fixture
def engine() -> Engine:
    """The driver's side of an engine that is nowhere."""
    return Engine(3, None, Path("engine-3.log"), 0, FAKE, False, Processors(1, 4, 2), 0)


def test_an_engine_is_loading_until_somebody_has_waited_for_it(engine: Engine) -> None:
    assert engine.state is EngineState.loading
    engine.become_ready(Loaded(1.0, 500))
    assert (engine.state, engine.cache_tokens) == (EngineState.ready, 500)


def test_written_units_are_settled_once_all_is_committed(engine: Engine) -> None:
    engine.settled = [Unit(0, rows(3))]
    engine.report(EngineTotals(generated=3, committed=2))
    assert engine.is_busy
    engine.report(EngineTotals(generated=3, committed=3))
    assert not engine.is_busy
    assert engine.totals == EngineTotals(generated=3, committed=3, cpus=4, gpus=2), "with what the engine holds"


def test_of_a_dead_engine_only_what_it_committed_counts(engine: Engine) -> None:
    assert engine.count_only(0) == EngineTotals(cpus=4, gpus=2), "it may have died before it said anything"
    engine.report(EngineTotals(generated=30, failed=5, turned_down=2, committed=20, requests=33, last_error="x"))
    counted = engine.count_only(24)
    assert (counted.generated, counted.failed, counted.turned_down, counted.committed) == (24, 0, 0, 24)
    assert counted.requests == 33, "what it was asked was asked"


def test_the_uncommitted_rows_of_a_dead_engine_come_back(engine: Engine) -> None:
    engine.units = {"reference": Unit(0, rows(4))}
    engine.settled = [Unit(1, rows(4, 1, 10)), Unit(2, rows(2, 2, 20))]
    back = list(engine.uncommitted(np.array([0, 1, 10, 11, 12, 13, 20])))
    assert [(unit.prefix, unit.rows["sample_id"].to_pylist()) for unit in back] == [(0, [2, 3]), (2, [21])]


def test_an_engine_that_cannot_start_says_why(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match=r"samples\.model=.*broken"):
        pools.start(GeneratorConfig(model=str(broken), seed=0), place)


def seeds_of(pools: EnginePools, place: Place, salt: str) -> list[int]:
    """The seeds of two engines of a start, as each has them; they are ended."""
    pool = pools.start(replace(FAKE, num_engines=2), place, salt)
    assert isinstance(pool, EnginePool)
    pool.wait_ready()
    seeds = [engine.seed for engine in pool.engines]
    for number, seed in enumerate(seeds):
        said = (place.logs() / f"engine-{number}.log").read_text().splitlines()
        assert f"engine {number}: seed {seed}" in said, "what the driver knows is what the engine was told"
    pools.stop()
    return seeds


def test_engines_draw_apart_and_in_another_start_draw_otherwise(place: Place, pools: EnginePools) -> None:
    first, second = seeds_of(pools, place, "abc/1"), seeds_of(pools, place, "abc/2")
    assert len({*first, *second}) == 4
    assert seeds_of(pools, place, "abc/1") == first, "the same run, start and engine draw the same"


def test_an_engine_without_memory_starts_once_more_with_less(
    tmp_path: Path, place: Place, pools: EnginePools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_BYTES, "1000")
    pool = pools.start(replace(FAKE, kv_cache_bytes=1500, num_engines=2), place)
    assert isinstance(pool, EnginePool)
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

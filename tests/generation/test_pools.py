"""Generators mixed by share: who writes what never depends on engines or order, and mistakes are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.generation.config import generator_configs
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.generation.jobs import Unit
from engine.generation.pools import ENGINE_NUMBERS_PER_GENERATOR, EnginePools, MixedPool
from engine.generation.shares import writer_of
from engine.generation.totals import EngineTotals, add_up
from engine.runtime.identity import identity_of
from engine.runtime.place import Place
from engine.watch.engines import engine_lives, totals_of
from tests.support.engines import Clock, StubPool
from tests.support.jobs import FAKE, job_at, units, written
from tests.support.places import quiet_place

MIX = {"small": {"share": 3}, "large": {"share": 1, "temperature": 0.9, "num_engines": 2}}
MIXED = replace(FAKE, mix=MIX)


def test_each_generator_has_the_run_s_settings_but_for_its_own() -> None:
    small, large = generator_configs(MIXED).values()
    assert small == FAKE
    assert large == replace(FAKE, temperature=0.9, num_engines=2)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({}, "the share is None"),
        ({"share": 0}, "the share is 0"),
        ({"share": 1, "temprature": 1.0}, "'temprature' is no setting"),
        ({"share": 1, "context_tokens": 4096}, "'context_tokens' is no setting"),
        ({"share": 1, "temperature": "hot"}, "'hot' is of the wrong type"),
        (None, "the share is None"),
    ],
)
def test_mistakes_are_named(settings: Any, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        generator_configs(replace(FAKE, mix={"one": settings}))
    assert caught.value.where.startswith("samples.mix.one")


def test_the_mix_is_part_of_what_is_made() -> None:
    other = replace(FAKE, mix={"small": {"share": 2}, "large": MIX["large"]})
    moved = replace(FAKE, mix={"small": {"share": 3}, "large": {"share": 1, "temperature": 0.9}})
    assert identity_of(MIXED) != identity_of(other)
    assert identity_of(MIXED) != identity_of(FAKE)
    assert identity_of(MIXED) == identity_of(moved), "how many engines a generator has is not"


def test_a_mix_is_written_on_the_command_line() -> None:
    config, _ = load_config(["experiment=demo", "samples.mix={a: {share: 0.7}, b: {share: 0.3, temperature: 0.9}}"])
    assert [own.temperature for own in generator_configs(config.samples).values()] == [0.5, 0.9]


def test_two_generators_write_every_row_once(
    tmp_path: Path,
    place: Place,  # the fixture
    pools: EnginePools,
) -> None:
    pool = pools.start(MIXED, place)
    assert isinstance(pool, MixedPool)
    seen: list[int] = []
    work = units(300, 15)
    totals = pool.generate(*job_at(tmp_path), work, seen.append)
    table = SamplesFolder(tmp_path).rows()
    assert table["sample_id"].to_pylist() == list(range(300))
    by_engine = (table["engine"].to_numpy() >= ENGINE_NUMBERS_PER_GENERATOR).astype(int)
    assert (by_engine == writer_of(pa.concat_tables([unit.rows for unit in work]), MIXED)).all()
    assert sum(engine.committed for engine in totals) == 300
    assert seen[-1] == 300
    assert 2 <= len(totals) <= 3, "the engine of the first generator, and one or both of the second"
    by_turn = [[each for each in totals if bool(each.ended) is ended] for ended in (True, False)]
    assert [len(turn) > 0 for turn in by_turn] == [True, True], "the engines of the first have ended, others have not"
    begun = [each.first_admitted for each in by_turn[1] if each.committed]  # one that loads late may get no row
    assert max(each.last_committed for each in by_turn[0]) <= min(begun)
    assert min(each.began for each in totals) > 0
    assert totals_of(pools) == add_up(totals), "what the first did is not forgotten when its turn is over"
    lives, wanted = engine_lives(pools)
    assert {life.index // ENGINE_NUMBERS_PER_GENERATOR for life in lives} == {1}, "the second is at work"
    assert (len(lives), wanted) == (2, 2)
    assert totals_of(pools).generated == 300, "what the first generator did counts on for who watches"
    assert "working" in {life.state for life in lives} <= {"working", "ready", "loading"}
    pool.generate(*job_at(tmp_path / "again"), units(30, 15), lambda _: None)
    said = (place.logs() / "engine-0.log").read_text().splitlines()
    assert len(said) == len(set(said)) == 2, "a generator that is loaded again has another seed"


def test_a_time_budget_is_of_all_generators_together(
    tmp_path: Path,
    place: Place,  # the fixture
    pools: EnginePools,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SAMPLES_PER_SECOND, "10")
    Clock(monkeypatch)
    pool = pools.start(replace(MIXED, max_seconds=1.0), place)
    pool.generate(*job_at(tmp_path), units(300, 15), lambda _: None)
    assert pool.out_of_time
    assert 0 < SamplesFolder(tmp_path).rows().num_rows < 200


def test_configs_that_start_the_same_engines_share_them(place: Place, pools: EnginePools) -> None:
    pool = pools.start(FAKE, place)
    assert pools.start(replace(FAKE, rounds=3, price_per_cpu_hour=1.0), place) is pool
    assert pools.start(replace(FAKE, max_num_seqs=9), place) is not pool
    assert pools.start(FAKE, place) is not pool, "those of another config have ended, to make room"
    assert written(place).count("the engines end to make room for fake") == 2


def test_engines_whose_end_is_interrupted_end_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(StubPool):
        stops = 0

        def stop(self) -> None:
            self.stops += 1
            if self.stops == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr("engine.generation.pools.EnginePool", Interrupted)
    monkeypatch.setattr("engine.generation.pools.settle_gpus", lambda config, _: config)
    pools, place = EnginePools(), quiet_place(tmp_path)
    pool = pools.start(FAKE, place)
    assert isinstance(pool, Interrupted)
    with pytest.raises(KeyboardInterrupt):
        pools.release(place, "while another run makes the same")
    pools.stop()
    assert pool.stops == 2
    assert not pools.loaded_pools()


class CountedUnits:
    """Units that are made as they are taken; how many were, so far."""

    def __init__(self, count: int) -> None:
        self.count, self.made = count, 0

    def __iter__(self) -> Iterator[Unit]:
        for unit in units(15 * self.count, 15):
            self.made += 1
            yield unit


def test_units_are_split_as_they_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All units of a large plan, with their texts, do not fit into memory."""
    made: list[int] = []
    written: list[int] = []

    class Watching(StubPool):
        def generate(self, job: Any, parts: Any, units: Iterable[Unit], on_progress: Any) -> list[EngineTotals]:
            for unit in units:
                made.append(work.made)
                written.extend(unit.rows["sample_id"].to_pylist())
            return []

    monkeypatch.setattr("engine.generation.pools.EnginePool", Watching)
    work = CountedUnits(20)
    MixedPool(MIXED, quiet_place(tmp_path), salt="").generate(*job_at(tmp_path / "samples"), work, print)
    assert made[0] <= 3, "the first unit was handed on before the others were made"
    assert work.made == 40, "each generator goes through them once"
    assert sorted(written) == list(range(300))


def test_units_that_can_be_gone_through_once_are_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.generation.pools.EnginePool", StubPool)
    pool = MixedPool(MIXED, quiet_place(tmp_path), salt="")
    with pytest.raises(AssertionError, match="goes through the units once"):
        pool.generate(*job_at(tmp_path / "samples"), iter(units(20, 5)), print)


def test_a_second_job_counts_nothing_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.generation.pools.EnginePool", StubPool)
    (job, parts), pool = job_at(tmp_path / "samples"), MixedPool(MIXED, quiet_place(tmp_path), salt="")
    for _ in range(3):
        totals = pool.generate(job, parts, units(20, 5), print)
        assert add_up(totals).generated == add_up(pool.totals()).generated == 20


def test_what_a_run_did_is_that_of_all_jobs_and_of_engines_that_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.generation.pools.EnginePool", StubPool)
    monkeypatch.setattr("engine.generation.pools.settle_gpus", lambda config, _: config)
    pools, place, told = EnginePools(), quiet_place(tmp_path), []
    for number, config in enumerate((MIXED, MIXED, FAKE, MIXED)):
        pools.start(config, place).generate(*job_at(tmp_path / str(number)), units(20, 5), print)
        told.append(pools.run_totals().generated)
    pools.stop()
    assert [*told, pools.run_totals().generated] == [20, 40, 60, 80, 80]


def test_a_generator_that_needed_very_many_engines_keeps_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epochs of its dead engines are closed: what others wrote under their numbers would never count."""
    first: list[int] = []

    class Dying(StubPool):
        next_index = 1007

        def __init__(self, config: Any, place: Any, salt: str, first_index: int, budget: Any) -> None:
            super().__init__()
            first.append(first_index)

    monkeypatch.setattr("engine.generation.pools.EnginePool", Dying)
    pool = MixedPool(MIXED, quiet_place(tmp_path), salt="")
    for number in range(2):
        pool.generate(*job_at(tmp_path / str(number)), units(40, 5), print)
    assert first == [0, 1007, 0, 1007]


def test_a_generator_that_cannot_be_loaded_leaves_the_totals_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnlyFirst(StubPool):
        def __init__(self, config: Any, place: Any, salt: str, first_index: int, budget: Any) -> None:
            super().__init__()
            if first_index:
                raise UserError("there is no such model", where="samples.mix.large", remedy="name another")

    monkeypatch.setattr("engine.generation.pools.EnginePool", OnlyFirst)
    pool = MixedPool(MIXED, quiet_place(tmp_path), salt="")
    work = units(40, 5)
    with pytest.raises(UserError, match="no such model"):
        pool.generate(*job_at(tmp_path / "samples"), work, print)
    small = int((writer_of(pa.concat_tables([unit.rows for unit in work]), MIXED) == 0).sum())
    assert add_up(pool.totals()).generated == small, "each sample counts once"

"""One engine as the driver has it: what follows from its answers, and from silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.generation.actor import Loaded, Report
from engine.generation.endings import EngineEndedError
from engine.generation.engine import Engine, EngineState
from engine.generation.jobs import Unit
from engine.generation.processors import Processors
from engine.generation.routing import UNITS_AHEAD, units_held
from engine.generation.totals import EngineTotals
from tests.support.jobs import FAKE, rows


@pytest.fixture
def engine() -> Engine:
    """The driver's side of an engine that is nowhere."""
    return Engine(3, None, Path("engine-3.log"), 0, FAKE, False, Processors(1, 4, 2), 0)


def test_an_engine_is_loading_until_somebody_has_waited_for_it(engine: Engine) -> None:
    assert engine.state is EngineState.loading
    engine.become_ready(Loaded(1.0, 500))
    assert (engine.state, engine.cache_tokens) == (EngineState.ready, 500)


def test_it_is_known_since_when_an_engine_holds_its_processors(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.generation.engine.time", SimpleNamespace(time=lambda: 1000.0))
    engine.become_ready(Loaded(30.0, 500))
    assert engine.count_only(0).began == 970.0
    engine.count(EngineTotals(generated=3), 0)
    assert engine.totals is not None
    assert engine.totals.began == 970.0


def test_what_an_engine_held_before_a_later_job_is_not_counted_for_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.actor = SimpleNamespace(open=SimpleNamespace(remote=lambda job: job))
    job: Any = SimpleNamespace()
    monkeypatch.setattr("engine.generation.engine.time", SimpleNamespace(time=lambda: 1000.0))
    engine.become_ready(Loaded(30.0, 500))
    monkeypatch.setattr("engine.generation.engine.time", SimpleNamespace(time=lambda: 2000.0))
    engine.open(job)
    assert engine.count_only(0).began == 970.0, "it was loaded for its first job"
    engine.open(job)
    assert engine.count_only(0).began == 2000.0


def test_written_units_are_settled_once_all_is_committed(engine: Engine) -> None:
    engine.settled = [Unit(0, rows(3))]
    engine.count(EngineTotals(generated=3, committed=2), 1)
    assert engine.is_busy
    engine.count(EngineTotals(generated=3, committed=3), 1)
    assert not engine.is_busy
    assert engine.totals == EngineTotals(generated=3, committed=3, cpus=4, gpus=2), "with what the engine holds"


def test_units_of_an_engine_that_is_never_seen_with_all_committed_are_let_go(engine: Engine) -> None:
    engine.settled = [Unit(0, rows(3))]
    engine.count(EngineTotals(generated=4, committed=2), 1)
    engine.settled.append(Unit(0, rows(2, first=3)))
    engine.count(EngineTotals(generated=6, failed=1, committed=4), 2)
    assert [unit.size for unit in engine.settled] == [2], "all that was finished with the first unit is committed"
    engine.count(EngineTotals(generated=8, failed=1, committed=6), 2 - 1)
    assert engine.is_busy
    engine.count(EngineTotals(generated=9, failed=1, committed=7), 1)
    assert not engine.is_busy


def test_rows_of_a_unit_that_are_finished_wait_for_nobody_though_the_unit_is_in_flight(engine: Engine) -> None:
    engine.actor = SimpleNamespace(process=SimpleNamespace(remote=lambda table: object()))
    engine.begin()
    for first in (0, 16):
        engine.give(Unit(0, rows(16, first=first)))
    assert units_held(len(engine.units), engine.unfinished_rows, batch=8) == UNITS_AHEAD
    engine.count(EngineTotals(generated=28, failed=2), 0)  # each unit has one long answer left
    assert (len(engine.units), engine.unfinished_rows) == (2, 2)
    assert units_held(len(engine.units), engine.unfinished_rows, batch=8) < UNITS_AHEAD, "it is given another"
    first, second = list(engine.units)
    engine.give(Unit(0, rows(16, first=32)))
    engine.count_written(first)
    engine.count_written(second)
    assert engine.unfinished_rows == 16, "what is written counts before the next report"
    engine.count_written(*engine.units)
    engine.begin()
    assert not engine.unfinished_rows, "a new job begins with nothing"


def test_what_is_written_after_the_question_is_not_settled_by_the_answer(engine: Engine) -> None:
    engine.settled = [Unit(0, rows(3)), Unit(0, rows(2, first=3))]
    engine.count(EngineTotals(generated=3, committed=3), 1)
    assert [unit.size for unit in engine.settled] == [2]


def test_a_report_of_an_earlier_job_counts_for_nothing_but_life(engine: Engine) -> None:
    engine.become_ready(Loaded(1.0, 500))
    engine.hear(Report(EngineTotals(generated=9, committed=9), 7, has_stepped=True))
    assert engine.totals is None
    engine.begin()
    engine.hear(Report(EngineTotals(generated=3), 8, has_stepped=True))
    assert engine.totals == EngineTotals(generated=3, cpus=4, gpus=2, began=engine.began)


def test_an_engine_that_moves_on_may_take_as_long_as_it_likes(engine: Engine) -> None:
    for passes in range(10):
        engine.hear(Report(EngineTotals(), passes, has_stepped=True))
        engine.stand_still(FAKE.max_step_seconds)


def test_an_engine_that_has_moved_on_is_not_blamed_for_a_driver_that_did_not_listen(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.config = replace(FAKE, max_step_seconds=2.0)
    reports = {f"call {passes}": Report(EngineTotals(), passes, has_stepped=True) for passes in (1, 2)}
    monkeypatch.setattr("engine.generation.engine.answer_of", reports.__getitem__)
    for call in reports:
        engine.question = call
        engine.hear_or_wait({call}, 5.0)
    engine.question = "call 2"
    engine.hear_or_wait({"call 2"}, 2.0)
    with pytest.raises(EngineEndedError, match="no step in 2 s"):
        engine.hear_or_wait(set(), 0.1)


@pytest.mark.parametrize(("has_stepped", "allowed"), [(True, 300), (False, 1500)])
def test_an_engine_that_stands_still_for_too_long_has_ended(engine: Engine, has_stepped: bool, allowed: int) -> None:
    engine.become_ready(Loaded(1.0, 500))
    engine.hear(Report(EngineTotals(), 7, has_stepped))
    engine.stand_still(allowed - 1)
    engine.hear(Report(EngineTotals(), 7, has_stepped))
    with engine.watched():
        engine.stand_still(1)
    assert engine.is_loaded
    with engine.watched():
        engine.stand_still(1)
    assert (engine.state, engine.is_loaded) == (EngineState.dead, False)
    assert str(engine.ended) == f"it finished no step in {allowed} s (samples.max_step_seconds)"


def test_only_an_engine_s_end_is_taken_for_it(engine: Engine) -> None:
    with pytest.raises(KeyError), engine.watched():
        raise KeyError("a defect of the driver's")
    with engine.watched():
        raise EngineEndedError("gone")
    assert engine.state is EngineState.dead


def test_of_a_dead_engine_only_what_it_committed_counts(engine: Engine) -> None:
    assert engine.count_only(0) == EngineTotals(cpus=4, gpus=2), "it may have died before it said anything"
    engine.count(EngineTotals(generated=30, failed=5, turned_down=2, committed=20, requests=33, last_error="x"), 0)
    counted = engine.count_only(24)
    assert (counted.generated, counted.failed, counted.turned_down, counted.committed) == (24, 0, 0, 24)
    assert counted.requests == 33, "what it was asked was asked"


def test_failures_that_a_dead_engine_had_committed_stay_failures(engine: Engine) -> None:
    for generated, failed, committed in ((8, 2, 0), (15, 5, 10), (18, 12, 20), (20, 20, 20)):
        engine.count(EngineTotals(generated=generated, failed=failed, turned_down=failed - 1, committed=committed), 0)
    counted = engine.count_only(20)
    assert (counted.generated, counted.failed, counted.turned_down, counted.committed) == (15, 5, 4, 20)
    counted = engine.count_only(30)
    assert (counted.generated, counted.failed, counted.committed) == (18, 12, 30), "the driver lists what came later"
    engine.begin()
    assert engine.count_only(5).failed == 0, "that was of another job"


def test_the_uncommitted_rows_of_a_dead_engine_come_back(engine: Engine) -> None:
    engine.units = {"reference": Unit(0, rows(4))}
    engine.settled = [Unit(1, rows(4, 1, 10)), Unit(2, rows(2, 2, 20))]
    back = list(engine.uncommitted(np.array([0, 1, 10, 11, 12, 13, 20])))
    assert [(unit.prefix, unit.rows["sample_id"].to_pylist()) for unit in back] == [(0, [2, 3]), (2, [21])]

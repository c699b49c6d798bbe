"""The time between two looks counts for what the second one saw, times what engines hold."""

from dataclasses import dataclass
from pathlib import Path

from engine.generation.config import GeneratorConfig, GeneratorKind
from engine.generation.engine import Engine, EngineState
from engine.generation.processors import Processors
from engine.runtime.activity import Activity
from engine.watch.times import TimeAccount


@dataclass
class Held(Engine):
    """An engine without an actor, with rows as a test says."""

    rows: int = 0
    is_placed: bool = True

    @property
    def has_begun(self) -> bool:
        """Whether its process runs."""
        return self.is_placed

    @property
    def unfinished_rows(self) -> int:
        """The rows that it has."""
        return self.rows


def engine(state: EngineState, rows: int = 0, gpus: int = 2) -> Engine:
    config = GeneratorConfig(generator=GeneratorKind.fake, seed=0)
    return Held(0, None, Path("log"), 0, config, False, Processors(1, 4, gpus), 0, state, rows=rows)


def test_steps_waits_and_what_engines_do_are_added_up() -> None:
    activity, account = Activity(), TimeAccount(100.0)
    with activity.making("samples"):
        with activity.waiting("samples", "loading m"), activity.waiting("samples", "loading m"):
            account.look(activity.moment(), [engine(EngineState.loading)], 104.0)
        account.look(activity.moment(), [engine(EngineState.working, rows=3), engine(EngineState.loading)], 105.0)
        account.look(activity.moment(), [engine(EngineState.working), engine(EngineState.dead)], 111.0)
    account.look(activity.moment(), [engine(EngineState.ready)], 112.0)
    with activity.making("examples"):
        times = account.look(activity.moment(), [], 122.0)
    assert times.steps == {"samples": 11.0, "between steps": 1.0, "examples": 10.0}
    assert times.waits == {"samples: loading m": 4.0}
    assert times.engines == {"loading": 10.0, "working": 2.0, "without rows": 12.0, "between jobs": 2.0}
    assert times.unit == "GPU"
    assert (sum(times.idle_seconds.values()), times.held_seconds) == (24.0, 26.0)


def test_cores_are_what_engines_hold_where_there_are_no_gpus() -> None:
    account = TimeAccount(0.0)
    times = account.look(Activity().moment(), [engine(EngineState.working, rows=1, gpus=0)], 3.0)
    assert (times.engines, times.unit, times.idle_seconds) == ({"working": 12.0}, "core", {})


def test_an_engine_without_a_process_holds_nothing() -> None:
    account, waits = TimeAccount(0.0), engine(EngineState.loading)
    assert isinstance(waits, Held)
    waits.is_placed = False
    assert account.look(Activity().moment(), [waits], 3.0).engines == {}
    waits.is_placed = True
    assert account.look(Activity().moment(), [waits], 4.0).engines == {"loading": 2.0}

"""A run is watched from inside: what it says of itself, how it ends, and that it says where it stands still."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import StoppedEarly, UserError
from engine.generation.engine import EngineState
from engine.generation.pools import EnginePools
from engine.generation.totals import EngineTotals
from engine.runtime.place import Place
from engine.runtime.step import Step, make
from engine.runtime.tracking import NoTracker
from engine.storage.run_folders import begin_run
from engine.storage.store import Store
from engine.watch.config import WatchConfig
from engine.watch.engines import engine_lives
from engine.watch.monitor import Monitor
from engine.watch.status import RunState, Status, find_status, status_file
from tests.support.places import printed, quiet_place
from tests.support.waiting import wait_until

FAST = WatchConfig(every_seconds=1)


class Points(NoTracker):
    """Keeps the points of curves."""

    def __init__(self) -> None:
        self.points: list[tuple[str, dict[str, float], int]] = []

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        self.points.append((noun, metrics, step))


@dataclass(frozen=True)
class NumberConfig:
    number: int = 0


def write_number(config: NumberConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    (output / "number").write_text(f"{config.number} {len(inputs)} {place.num_cpus}")
    return {"number": config.number}


STEPS = [Step("documents", write_number, NumberConfig(n), part_of="given/a" if n == 2 else "") for n in range(3)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return quiet_place(tmp_path, Points())


def said(place: Place) -> Status:
    status = find_status(str(place.run_dir))[1]
    assert status is not None
    return status


def test_it_says_what_is_made_and_what_is_counted(place: Place) -> None:
    with Monitor(FAST, place, STEPS).watching() as monitor:
        assert wait_until(lambda: status_file(place.run_dir, has_begun=False).exists(), "a status beside the folder")
        assert not place.run_dir.exists(), "the folder is not touched before the run has begun"
        assert not said(place).has_begun, "what others find there is of an earlier start"
        make(STEPS[0], Store(place.store_dir), place)
        begin_run(place.run_dir, "")
        monitor.begin()
        with place.console.activity.making("samples"), place.console.progress("samples", 10, "samples") as bar:
            bar.reach(4)
            place.console.step("samples", "url http://me:planted@host")
            status = wait_until(lambda: found if (found := said(place)).moment.counts else None, "a status in it")
    assert (status.state, status.moment.step) == (RunState.running, "samples")
    assert status.steps == ["documents (1 of 2)", "documents (2 of 2)", "given/a/documents"]
    assert status.made == ["documents (1 of 2)"]
    assert (status.moment.counts[0].done, status.moment.counts[0].total) == (4, 10)
    assert "planted" not in status.moment.line
    assert said(place).state is RunState.finished
    assert not status_file(place.run_dir, has_begun=False).exists()


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (UserError("no such file", where="x", remedy="y"), RunState.refused, "no such file"),
        (StoppedEarly("time is up"), RunState.out_of_time, "time is up"),
        (KeyboardInterrupt(), RunState.interrupted, ""),
        (ValueError("api_key=planted"), RunState.failed, "ValueError: api_key=***"),
    ],
)
def test_it_says_how_the_run_ended(place: Place, error: BaseException, state: RunState, message: str) -> None:
    def end() -> None:
        with Monitor(FAST, place, STEPS).watching() as monitor:
            monitor.begin()
            raise error

    begin_run(place.run_dir, "")
    with pytest.raises(type(error)):
        end()
    assert said(place).state is state
    assert message in said(place).message


def test_a_start_that_is_refused_leaves_what_the_last_one_said(place: Place) -> None:
    begin_run(place.run_dir, "")
    with Monitor(FAST, place, STEPS).watching() as monitor:
        monitor.begin()
    before = {file: file.read_bytes() for file in place.run_dir.parent.rglob("*") if file.is_file()}
    with pytest.raises(UserError), Monitor(FAST, place, STEPS).watching():
        raise UserError("no", where="x", remedy="y")
    assert {file: file.read_bytes() for file in place.run_dir.parent.rglob("*") if file.is_file()} == before


def test_a_disk_that_cannot_be_written_ends_no_run(place: Place) -> None:
    place.run_dir.parent.joinpath("run").write_text("a file, where a folder should be")
    with Monitor(FAST, place, STEPS).watching() as monitor:
        monitor.begin()


def test_a_status_that_cannot_be_written_is_touched_and_said_once(place: Place) -> None:
    begin_run(place.run_dir, "")
    taken = place.run_dir / "status.json.tmp"
    with Monitor(FAST, place, STEPS).watching() as monitor:
        monitor.begin()
        wait_until(lambda: status_file(place.run_dir, has_begun=True).exists(), "a first status")
        taken.mkdir()
        before = wait_until(lambda: said(place) if is_told(place, "cannot be written") else None, "the failure")
        wait_until(lambda: said(place).touched > before.touched, "another beat")
        assert said(place).beats == before.beats
        taken.rmdir()
        wait_until(lambda: said(place).beats > before.beats, "a status once there is room")
    assert printed(place).count("the status of the run cannot be written: IsADirectoryError") == 1
    assert said(place).state is RunState.finished


def is_told(place: Place, text: str) -> bool:
    return text in printed(place)


def test_names_that_are_no_text_end_no_watching(place: Place) -> None:
    begin_run(place.run_dir, "")
    with Monitor(FAST, place, STEPS).watching() as monitor:
        monitor.begin()
        place.console.step("documents", os.fsdecode(b"left out are README-caf\xe9.txt"))
        wait_until(lambda: found(place, "caf?.txt"), "a status with the name")
    assert said(place).state is RunState.finished


@pytest.mark.parametrize("error", [UnicodeEncodeError("utf-8", "", 0, 1, "no"), RuntimeError("no"), SystemExit(141)])
def test_whatever_fails_while_a_run_is_watched_ends_neither_watching_nor_run(
    place: Place, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    begin_run(place.run_dir, "")

    def fail(_: object) -> None:
        raise error

    with Monitor(FAST, place, STEPS).watching() as monitor:
        monitor.begin()
        wait_until(lambda: found(place, ""), "a first status")
        with monkeypatch.context() as patched:
            patched.setattr("engine.watch.monitor.engine_lives", fail)
            wait_until(lambda: is_told(place, f"cannot be looked at: {type(error).__name__}"), "the failure")
        beats = said(place).beats
        wait_until(lambda: said(place).beats > beats, "another look")
        monkeypatch.setattr("engine.watch.monitor.engine_lives", fail)
    assert said(place).state is RunState.finished
    assert printed(place).count("cannot be looked at") == 1


def found(place: Place, text: str) -> bool:
    """Whether the run folder has a status, whose last line holds a text."""
    status = find_status(str(place.run_dir))[1]
    return status is not None and status.has_begun and text in status.moment.line


def test_what_stands_still_is_said_once_and_that_it_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor, now = Monitor(WatchConfig(still_factor=10, still_seconds=20), place, STEPS), 0.0
    monkeypatch.setattr("engine.watch.monitor.time.monotonic", lambda: now)
    with place.console.progress("samples", 100, "samples") as bar:
        for now in (0.0, 5.0, 10.0, 15.0):  # noqa: B007 (the clock reads it)
            bar.advance()
            monitor.look()
        for now in (70.0, 75.0):
            assert monitor.look().still == [
                f"samples: no samples for {'55' if now == 70 else '1 min 0'} s; usually it counts some every 5.0 s"
            ]
        bar.advance()
        assert monitor.look().still == []
    assert printed(place).count("no samples for") == 1
    assert printed(place).count("samples go on") == 1


def test_generation_is_a_curve_in_the_tracker(place: Place) -> None:
    monitor = Monitor(FAST, place, STEPS)
    monitor.begin()
    with place.console.progress("samples", 100, "samples") as bar:
        for done in (10, 10, 40):
            bar.reach(done)
            monitor._track(monitor.look())
    assert isinstance(place.tracker, Points)
    [(noun, point, step)] = place.tracker.points
    assert (noun, step, point["finished"]) == ("samples", 40, 40)
    assert point["samples_per_second"] > 0


def test_each_job_of_generation_is_a_curve_of_its_own(place: Place) -> None:
    monitor = Monitor(FAST, place, STEPS)
    monitor.begin()
    for entry, marks in (("judge/relevance/samples", (5, 20)), ("samples", (10, 40)), ("samples", (3001, 3005))):
        with place.console.activity.making(entry), place.console.progress("samples", 5000, "samples") as bar:
            bar.start_at(marks[0] // 1000 * 1000)
            for done in marks:
                bar.reach(done)
                monitor._track(monitor.look())
    assert isinstance(place.tracker, Points)
    assert [(noun, step) for noun, _, step in place.tracker.points] == [
        ("judge/relevance/samples", 20),
        ("samples", 40),
        ("samples", 3005),
    ]


class Pools(EnginePools):
    """Pools of engines of which one has ended, as a pool tells of them."""

    def __init__(self) -> None:
        super().__init__()
        gone, living = EngineTotals(failed=3, output_tokens=30), EngineTotals(failed=1, output_tokens=12)
        engines = [SimpleNamespace(index=1, state=EngineState.working, totals=living)]
        pool: Any = SimpleNamespace(engines=engines, num_wanted=2, totals=lambda: [gone, living])
        self._pools = {"": pool}


def test_failures_of_engines_that_have_ended_stay_in_the_curve(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.watch.monitor.engines_of", lambda _: [])  # the account of time asks real engines
    place = replace(place, engines=Pools())
    monitor = Monitor(FAST, place, STEPS)
    monitor.begin()
    with place.console.progress("samples", 100, "samples") as bar:
        for done in (10, 40):
            bar.reach(done)
            monitor._track(monitor.look())
    assert isinstance(place.tracker, Points)
    [(_, point, _)] = place.tracker.points
    assert (point["engines"], point["failed"], point["output_tokens"]) == (1.0, 4.0, 42.0)


def test_a_place_without_engines_has_none(place: Place) -> None:
    assert engine_lives(place.engines) == ([], 0)
    assert engine_lives(EnginePools()) == ([], 0)


@pytest.mark.parametrize(
    "wrong", [{"every_seconds": 0.5}, {"still_factor": 1}, {"still_seconds": -1}, {"metrics_port": 70000}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        replace(WatchConfig(), **wrong)  # type: ignore[arg-type]

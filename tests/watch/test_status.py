"""The status file is whole, found again, and tells a run that was killed from one that is slow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from engine.errors import UserError
from engine.runtime.activity import Count, Moment, Wait
from engine.storage.run_folders import begin_run, hold_run
from engine.watch.life import Life, is_running, life_of
from engine.watch.status import (
    Driver,
    EngineLife,
    RunState,
    Status,
    find_status,
    status_file,
    this_driver,
    write_status,
)
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

MOMENT = Moment("samples", 3.5, [Count("samples", "samples", 3, 9, 0.5, 6.0)], [Wait("samples", "x", 1.0)], "said")
NOW = Status(
    driver=this_driver(),
    state=RunState.running,
    began=time.time(),
    written=time.time(),
    beats=3,
    every_seconds=5.0,
    steps=["documents", "samples"],
    made=["documents"],
    moment=MOMENT,
    engines=[EngineLife(0, "working", 3, 1, 40)],
    engines_wanted=2,
    still=[],
)
"""Its time is that of the collection of tests: who asks for the time since, asks `just_written`."""
ELSEWHERE = replace(NOW, driver=Driver("another-host", 1, "", 0.0))
LATE = replace(NOW, written=time.time() - 100)
LATE_ELSEWHERE = replace(ELSEWHERE, written=LATE.written)


def just_written(status: Status) -> Status:
    return replace(status, written=time.time())


def never() -> Status:
    raise AssertionError("nothing is read again")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", "")
    write_status(status_file(tmp_path / "run", has_begun=True), NOW)
    (tmp_path / "latest").symlink_to("run")
    assert find_status(str(tmp_path / "latest")) == (tmp_path / "run", NOW)
    assert [file.name for file in (tmp_path / "run").iterdir() if "status" in file.name] == ["status.json"]


def test_the_start_that_began_last_is_shown(tmp_path: Path) -> None:
    run = tmp_path / "run"
    reading = replace(NOW, began=NOW.began + 60)
    write_status(status_file(run, has_begun=False), reading)
    assert find_status(str(run)) == (run, reading), "the folder is not there yet"
    begin_run(run, "")
    write_status(status_file(run, has_begun=True), NOW)
    assert find_status(str(run))[1] == reading


def test_of_two_starts_with_two_clocks_the_one_that_reads_its_input_is_shown(tmp_path: Path) -> None:
    run = tmp_path / "run"
    begin_run(run, "")
    write_status(status_file(run, has_begun=True), replace(ELSEWHERE, state=RunState.failed))
    behind = replace(NOW, began=NOW.began - 3600, has_begun=False)
    write_status(status_file(run, has_begun=False), behind)
    assert find_status(str(run))[1] == behind
    begun = replace(behind, beats=9, has_begun=True)
    write_status(status_file(run, has_begun=True), begun)
    assert find_status(str(run))[1] == begun, "killed before it has removed the other file"


def test_what_is_no_text_is_written_all_the_same(tmp_path: Path) -> None:
    begin_run(tmp_path, "")
    line = os.fsdecode(b"documents: left out are README-caf\xe9.txt")
    write_status(status_file(tmp_path, has_begun=True), replace(NOW, moment=replace(MOMENT, line=line)))
    status = find_status(str(tmp_path))[1]
    assert status is not None
    assert status.moment.line == "documents: left out are README-caf?.txt"


def test_a_run_without_a_status_is_a_run_all_the_same(tmp_path: Path) -> None:
    begin_run(tmp_path, "")
    assert find_status(str(tmp_path)) == (tmp_path, None)
    status_file(tmp_path, has_begun=True).write_text("")
    assert find_status(str(tmp_path)) == (tmp_path, None), "a power cut leaves an empty file"
    with pytest.raises(UserError, match="is no run folder"):
        find_status(str(tmp_path / "nowhere"))


def test_before_a_first_run_has_finished_the_runs_that_go_on_are_named(tmp_path: Path) -> None:
    with hold_run(tmp_path / "adapt-docs"), pytest.raises(UserError, match="is no run folder") as caught:
        find_status(str(tmp_path / "latest"))
    assert caught.value.remedy == f"name a run that is there: {tmp_path / 'adapt-docs'} (running)"


def test_a_status_from_before_it_told_when_the_process_began_is_read(tmp_path: Path) -> None:
    begin_run(tmp_path, "")
    file = status_file(tmp_path, has_begun=True)
    write_status(file, NOW)
    values = json.loads(file.read_text())
    del values["driver"]["process_start"], values["has_begun"], values["clock"]
    values["driver"]["process_started"] = 1.7e9
    file.write_text(json.dumps(values))
    status = find_status(str(tmp_path))[1]
    assert status is not None
    assert status.has_begun
    assert is_running(status.driver)


def test_the_status_of_another_version_is_refused(tmp_path: Path) -> None:
    begin_run(tmp_path, "")
    file = status_file(tmp_path, has_begun=True)
    write_status(file, NOW)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))
    with pytest.raises(UserError, match="format 99"):
        find_status(str(tmp_path))


def test_on_the_machine_of_the_driver_its_process_is_looked_for() -> None:
    assert life_of(just_written(NOW), never) is Life.goes_on
    assert life_of(LATE, never) is Life.is_late
    assert life_of(replace(LATE, state=RunState.interrupted), never) is Life.has_ended
    me = this_driver()
    other = replace(me, process_start=me.process_start - 99)
    assert life_of(replace(NOW, driver=other), never) is Life.has_died, "the number is another process's now"


@pytest.mark.parametrize("boot", ["another start pid:[4026531836]", f"{this_driver().boot.split(' ')[0]} pid:[1]"])
def test_a_machine_or_container_of_the_same_name_is_another_one(boot: str) -> None:
    """Its processes cannot be seen from here: what has the number of its driver here, or has it not, says nothing."""
    alive = replace(NOW, driver=replace(this_driver(), boot=boot))
    late = replace(alive, written=LATE.written)
    assert life_of(just_written(alive), lambda: replace(alive, beats=4), lambda _: None) is Life.goes_on
    assert life_of(late, lambda: replace(late, beats=4), lambda _: None) is Life.goes_on
    assert life_of(late, lambda: late, lambda _: None) is Life.has_died, "as one of this machine before it began anew"


def test_on_another_machine_beats_are_compared_and_no_clocks() -> None:
    paused: list[float] = []
    moved, ended = replace(LATE_ELSEWHERE, beats=4), replace(LATE_ELSEWHERE, state=RunState.finished)
    assert life_of(LATE_ELSEWHERE, lambda: moved, paused.append) is Life.goes_on, "only its clock is late"
    assert life_of(LATE_ELSEWHERE, lambda: ended, paused.append) is Life.has_ended
    assert life_of(LATE_ELSEWHERE, lambda: None, lambda _: None) is Life.has_died
    assert sum(paused) < ELSEWHERE.every_seconds, "it is not waited for once it has moved"
    paused.clear()
    assert life_of(LATE_ELSEWHERE, lambda: LATE_ELSEWHERE, paused.append) is Life.has_died
    assert sum(paused) > 2 * ELSEWHERE.every_seconds, "a living driver has written once more by then"
    assert life_of(moved, never, before=LATE_ELSEWHERE) is Life.goes_on, "who follows has waited already"


@pytest.mark.parametrize("ahead_seconds", [0, 3600])
def test_a_dead_driver_elsewhere_whose_clock_is_ahead_is_dead(ahead_seconds: float) -> None:
    paused: list[float] = []
    dead = replace(ELSEWHERE, written=time.time() + ahead_seconds)
    assert life_of(dead, lambda: dead, paused.append) is Life.has_died
    assert sum(paused) >= 4 * dead.every_seconds, "what looks new has had no time to be late"
    assert life_of(dead, lambda: replace(dead, beats=4), lambda _: None) is Life.goes_on


def test_a_driver_elsewhere_that_can_touch_its_status_and_not_write_it_is_late() -> None:
    touched = replace(LATE_ELSEWHERE, touched=1)
    assert life_of(LATE_ELSEWHERE, lambda: touched, lambda _: None) is Life.is_late


def test_who_sets_the_clock_ends_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells when the machine started by the clock as it is set now, and psutil counts from there."""
    started, now = psutil.boot_time(), time.time()
    status = replace(just_written(NOW), clock=time.monotonic())
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: started + 3600)
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    assert life_of(status, never) is Life.goes_on
    assert life_of(replace(status, clock=status.clock - 100), never) is Life.is_late
    old = replace(status, driver=replace(status.driver, process_start=0.0))
    assert life_of(old, never) is Life.goes_on, "older versions do not say when the process began"


def test_where_the_kernel_tells_of_no_process_psutil_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("engine.watch.status._PROCESSES", tmp_path)
    me = this_driver()
    assert me.process_start == psutil.Process().create_time()
    assert is_running(me)
    assert not is_running(replace(me, process_start=1.0))
    assert not is_running(replace(me, pid=2**22 + 1))


def test_a_driver_that_is_killed_is_known_to_be_dead() -> None:
    code = (
        "import json, sys, dataclasses\nfrom engine.watch.status import this_driver\n"
        "print(json.dumps(dataclasses.asdict(this_driver())), flush=True)\nsys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        driver = Driver(**json.loads(process.stdout.readline()))
        assert is_running(driver)
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: not is_running(driver), "the end of the process")  # a zombie is dead as well
    assert not is_running(driver)

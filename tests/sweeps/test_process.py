"""A point runs as the command that a person would type; how it ended is told by its code and its last line."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.files import locked
from engine.storage.run_folders import hold_run
from engine.sweeps import process
from engine.sweeps.points import Point
from engine.sweeps.process import Outcome, Processes, State, check_concurrency, check_ports, last_line, points_at_a_time
from tests.support.waiting import PATIENCE_SECONDS, wait_until

BLOCKED_SECONDS = 0.3


def point_of(folder: Path, *arguments: str) -> Point:
    """A point whose command is cheap."""
    return Point("x=1", arguments, folder / "points" / "x=1")


def test_how_a_point_ended(tmp_path: Path) -> None:
    processes = Processes()
    done = processes.run(point_of(tmp_path, "--version"), lambda: False)
    assert (done.state, done.said) == (State.finished, "")
    assert done.point.log_file.read_text().startswith("synthmill ")
    wrong = processes.run(point_of(tmp_path, "nonsense"), lambda: False)
    assert wrong.state is State.failed
    assert wrong.said.startswith("command line: there is no command 'nonsense'")


def test_a_point_that_is_finished_is_not_started(tmp_path: Path) -> None:
    outcome = Processes().run(point_of(tmp_path, "nonsense"), lambda: True)
    assert outcome.state is State.unchanged
    assert not outcome.point.log_file.exists()


def test_a_point_that_another_process_still_holds_is_waited_for(tmp_path: Path) -> None:
    point = point_of(tmp_path, "--version")
    states, told = list[State](), list[Point]()
    processes = Processes(on_wait=told.append)
    waiting = threading.Thread(target=lambda: states.append(processes.run(point, lambda: False).state))
    with hold_run(point.run_dir):
        waiting.start()
        waiting.join(BLOCKED_SECONDS)
        assert states == []
        assert told == [point]
        assert not point.log_file.exists()
    waiting.join()
    assert states == [State.finished]


@pytest.mark.parametrize("held_by", ["another sweep", "a run"])
def test_a_point_that_waits_for_a_lock_is_ended(held_by: str, tmp_path: Path) -> None:
    point, processes, states = point_of(tmp_path, "--version"), Processes(), list[State]()
    point.run_dir.parent.mkdir(parents=True)
    waiting = threading.Thread(target=lambda: states.append(processes.run(point, lambda: False).state))
    with locked(point.lock_file, wait=False) if held_by == "another sweep" else hold_run(point.run_dir):
        waiting.start()
        waiting.join(BLOCKED_SECONDS)
        processes.end()
        waiting.join(PATIENCE_SECONDS)
        assert states == [State.interrupted]


def test_once_points_are_ended_no_other_begins(tmp_path: Path) -> None:
    processes = Processes()
    processes.end()
    assert processes.run(point_of(tmp_path, "--version"), lambda: False).state is State.interrupted


def test_a_point_waits_for_those_that_were_told_to_end(tmp_path: Path) -> None:
    """Two trainings at a time may be too many for a GPU."""
    stopped = tmp_path / "points" / "x=0"
    point = replace(point_of(tmp_path, "--version"), after=(stopped,))
    states: list[State] = []
    stopped.parent.mkdir()
    waiting = threading.Thread(target=lambda: states.append(Processes().run(point, lambda: False).state))
    with hold_run(stopped):
        waiting.start()
        waiting.join(BLOCKED_SECONDS)
        assert states == []
        assert not point.log_file.exists()
    waiting.join()
    assert states == [State.finished]


class Stubborn(Processes):
    """Points that do not end when they are asked to."""

    def _start(self, point: Point, log: int) -> subprocess.Popen[bytes]:
        code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
        running = subprocess.Popen([sys.executable, "-c", code], stdout=log, start_new_session=True)
        self._running.add(running)
        return running


def test_a_point_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE_SECONDS", BLOCKED_SECONDS)
    point, processes, outcomes = point_of(tmp_path), Stubborn(), list[Outcome]()
    running = threading.Thread(target=lambda: outcomes.append(processes.run(point, lambda: False)), daemon=True)
    running.start()
    wait_until(lambda: last_line(point.log_file) == "up", "the point")
    processes.end()
    running.join(PATIENCE_SECONDS)
    assert [outcome.said for outcome in outcomes] == ["ended by signal 9 after: up"]


def test_a_point_has_the_variables_that_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    processes = Processes({"HF_TOKEN": "that of the sweep"})
    assert "OMP_NUM_THREADS" not in processes._environment()
    assert processes._environment()["HF_TOKEN"] == "that of the sweep"
    assert Processes()._environment()["OMP_NUM_THREADS"] == "7"


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text("x" * 9000 + "\nthe end\n\n  \n")
    assert last_line(log) == "the end"


def test_how_many_points_run_at_a_time() -> None:
    assert points_at_a_time(3, "local") == 3
    assert points_at_a_time(0, "auto") == 2
    with pytest.raises(UserError, match=r"^hydra\.launcher\.concurrency=-1: -1 is too small"):
        check_concurrency(-1, "hydra.launcher.concurrency")


def test_points_that_run_at_a_time_share_no_port() -> None:
    check_ports([9400, 9400], 1, "concurrency")
    check_ports([0, 0, 9400], 2, "concurrency")
    check_ports([9400, 9401, 9402], 2, "concurrency")
    with pytest.raises(UserError, match=r"^watch\.metrics_port=9400: 2 points at a time have one port"):
        check_ports([9401, 9400, 9400], 2, "concurrency")

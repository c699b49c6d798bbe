"""The points of a grid: a failure stops no other, is told at the end, and sets the exit code."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.runtime.console import Console
from engine.storage.files import locked
from engine.sweeps.launch import launch, tell
from engine.sweeps.points import Point
from engine.sweeps.process import Outcome, State
from tests.support.waiting import PATIENCE_SECONDS, wait_until


def no_config(arguments: Sequence[str]) -> RunConfig:
    """Composes nothing: whether a point is finished is no matter here."""
    raise UserError("is none", where="config", remedy="-")


def point_of(folder: Path, name: str, *arguments: str) -> Point:
    """A point whose command is cheap."""
    return Point(name, arguments, folder / name)


def test_a_failure_stops_no_other_point(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(RichConsole(file=text, width=200))
    points = [point_of(tmp_path, "a=1", "nonsense"), point_of(tmp_path, "a=2", "--version")]
    outcomes = launch(points, 1, no_config, console)
    assert [outcome.state for outcome in outcomes] == [State.failed, State.finished]
    assert tell(outcomes, console) == 1
    said = text.getvalue()
    assert "2 points, 1 at a time" in said
    assert "1 finished, 1 failed" in said
    assert "failed: a=1: command line: there is no command 'nonsense'" in said
    assert str(points[0].log_file) in said


def test_a_point_that_another_sweep_runs_comes_last_and_is_waited_for_with_a_word(tmp_path: Path) -> None:
    text = io.StringIO()
    points = [point_of(tmp_path, f"a={number}", "--version") for number in range(3)]
    outcomes: list[Outcome] = []

    def run() -> None:
        outcomes.extend(launch(points, 1, no_config, Console(RichConsole(file=text, width=200))))

    launching = threading.Thread(target=run, daemon=True)
    with locked(points[0].lock_file, wait=False):
        launching.start()
        wait_until(lambda: "a=0: another process runs it; waiting for it" in text.getvalue(), "the word")
        assert [f"a={number}: finished" in text.getvalue() for number in range(3)] == [False, True, True]
    launching.join(PATIENCE_SECONDS)
    assert [outcome.point for outcome in outcomes] == points, "in their order"
    assert {outcome.state for outcome in outcomes} == {State.finished}


def test_what_goes_wrong_here_is_a_failure_of_its_point(tmp_path: Path) -> None:
    """A log that cannot be written, such as another user's, a lock, or a fault of ours where it is looked at."""
    text = io.StringIO()
    console = Console(RichConsole(file=text, width=200))
    points = [point_of(tmp_path, f"a={number}", "--version") for number in range(5)]
    points[1].log_file.mkdir()
    points[2].lock_file.mkdir()
    blocked = replace(points[3], run_dir=tmp_path / "file" / "a=3")
    (tmp_path / "file").touch()
    points[3] = blocked

    def faulty(arguments: Sequence[str]) -> RunConfig:
        if "fault" in arguments:
            raise KeyError("what is missing")
        return no_config(arguments)

    points[4] = replace(points[4], arguments=("fault",))
    outcomes = launch(points, 1, faulty, console)
    assert [outcome.state for outcome in outcomes] == [State.finished, *[State.failed] * 4]
    assert tell(outcomes, console) == 1
    said = text.getvalue()
    assert "1 finished, 4 failed" in said
    assert said.count("failed: a=1: IsADirectoryError: ") == said.count("failed: a=2: IsADirectoryError: ") == 1
    assert f"{tmp_path / 'file'} is a file" in said
    assert "failed: a=4: KeyError: 'what is missing'" in said
    assert "Traceback" in points[4].log_file.read_text()


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((State.unchanged, State.finished), 0),
        ((State.finished, State.ended_early), 3),
        ((State.ended_early, State.interrupted), 130),
        ((State.interrupted, State.failed), 1),
    ],
)
def test_the_exit_code(states: Sequence[State], code: int, tmp_path: Path) -> None:
    outcomes = [Outcome(point_of(tmp_path, "a"), state) for state in states]
    assert tell(outcomes, Console(RichConsole(file=io.StringIO()))) == code

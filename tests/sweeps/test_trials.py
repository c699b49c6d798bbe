"""Trials of Ray Tune: what a run tracks becomes a curve, schedulers know earlier points, the journal has every end."""

from __future__ import annotations

import io
import json
import os
import pickle
import platform
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from ray.tune.search import Searcher
from rich.console import Console as RichConsole

from engine.errors import UserError
from engine.runtime.capacity import JOB_VARIABLE
from engine.runtime.console import Console
from engine.sweeps import trials
from engine.sweeps.journal import Journal, Progress, Tried
from engine.sweeps.lifeline import lifeline
from engine.sweeps.points import Point
from engine.sweeps.process import Outcome, State
from engine.sweeps.search import Method, make_search
from engine.sweeps.space import read_space
from engine.sweeps.trials import TO_COMMIT, JournaledSearcher, Trials, _Start
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

COMMITS = """
import signal, sys, time
from pathlib import Path
from engine.command_line.main import _as_interrupt
from engine.sweeps.lifeline import end_with_parent
signal.signal(signal.SIGTERM, _as_interrupt)
end_with_parent()
try:
    Path(sys.argv[1], "began").touch()
    while True:
        time.sleep(0.1)  # a signal that comes just before a sleep does not cut it short
except KeyboardInterrupt:
    for _ in range(20):
        time.sleep(0.1)  # meanwhile others ask it to end, too
    Path(sys.argv[1], "committed").touch()
"""
"""A process that needs two seconds to commit."""
CONFIG = {"number": 1, "values": "{}", "after": "[]"}
"""What Tune hands to a trial."""
SPACE = read_space({"seed": {"int": [0, 99]}}, "f")


class Noted:
    """Processes that only note what they would be given."""

    given: ClassVar[list[Mapping[str, str]]] = []

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.given.append(variables)

    def run(self, point: Any, _: Any) -> Outcome:
        """Tells that the point was not run."""
        return Outcome(point, State.failed, said="it was not run")

    def end(self) -> None:
        """There is none."""


@pytest.mark.parametrize("is_same_node", [True, False])
def test_a_point_has_the_environment_of_its_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_same_node: bool
) -> None:
    """That of its actor is another one, on a cluster that was there before, and Ray sets what is the actor's alone.

    The job is among it, which Ray does not tell actors: a point that counted on the core of that driver would wait for
    ever.
    """
    reported: list[dict[str, Any]] = []
    theirs = {"HF_TOKEN": "the sweep's", JOB_VARIABLE: "{}", "PATH": "the sweep's", "TMPDIR": "the sweep's"}
    monkeypatch.setenv("HF_TOKEN", "the actor's")
    monkeypatch.setenv("PATH", "the actor's")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(trials, "Processes", Noted)
    monkeypatch.setattr(trials.tune, "report", reported.append)
    monkeypatch.chdir(tmp_path)
    start = _Start(theirs, platform.node() if is_same_node else "another", tmp_path)
    trials._run_point(CONFIG, Trials(tmp_path, (), "validation"), start)
    there = theirs if is_same_node else {"HF_TOKEN": "the sweep's", JOB_VARIABLE: "{}", "PATH": "the actor's"}
    given = {name: value for name, value in Noted.given.pop().items() if name in (*theirs, "OMP_NUM_THREADS")}
    assert given == there
    assert [end["said"] for end in reported] == ["it was not run"]
    assert "the sweep's" not in repr(start), "there are secrets in it"


@pytest.mark.parametrize("name", ["TMP", "TEMP", "XDG_RUNTIME_DIR", "ROCR_VISIBLE_DEVICES", "SLURM_NODEID"])
def test_what_is_of_a_node_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "the actor's")
    assert _Start({name: "the sweep's"}, "another", tmp_path).variables_here()[name] == "the actor's"
    monkeypatch.delenv(name)
    assert name not in _Start({name: "the sweep's"}, "another", tmp_path).variables_here()


def test_the_end_of_a_point_is_no_validation(tmp_path: Path) -> None:
    """A scheduler would count the last one under the next number too."""
    *validations, end = reports_of([0.25, 0.5], tmp_path)
    assert validations == [{"validation": 0.25, "curve": [0.25]}, {"validation": 0.5, "curve": [0.25, 0.5]}]
    assert end == {"progress": "failed", "said": "interrupted", "state": "interrupted", "curve": [0.25, 0.5]}


def reports_of(curve: list[float], folder: Path) -> list[dict[str, Any]]:
    """What the trial of a point with this curve reports."""
    file = folder / "figures.jsonl"
    points = ({"noun": "model", "step": step, "validation_ndcg_at_10": score} for step, score in enumerate(curve, 1))
    file.write_text("".join(json.dumps(point) + "\n" for point in points))
    reported: list[dict[str, Any]] = []
    told: Any = SimpleNamespace(point=lambda *_: Point("", (), folder), figures_file=lambda _: file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "Processes", NoProcesses)
        patch.setattr(trials.tune, "report", reported.append)
        patch.chdir(folder)
        trials._run_point(CONFIG, told, _Start({}, "", folder))
    return reported


def test_what_goes_wrong_in_a_trial_is_told_as_the_end_of_its_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a folder that its node lacks: Tune itself would say nothing but that an actor died."""
    reported: list[dict[str, Any]] = []
    monkeypatch.setattr(trials.tune, "report", reported.append)
    monkeypatch.chdir(tmp_path)
    told = Trials(tmp_path, (), "validation")
    trials._run_point(CONFIG, told, _Start({}, "", tmp_path / "missing"))
    told.figures_file(1).write_text('{"validation_ndcg_at_10": 1}\n')
    monkeypatch.setattr(trials, "Processes", NoProcesses)
    trials._run_point(CONFIG, told, _Start({}, "", tmp_path))
    assert [end["progress"] for end in reported] == ["failed", "failed"]
    assert reported[0]["said"].startswith("FileNotFoundError: ")
    assert reported[1]["said"] == "KeyError: 'noun'"


class NoProcesses:
    """Processes that end at once, and were interrupted."""

    def __init__(self, *_: Any) -> None:
        """Needs nothing."""

    def run(self, point: Any, _: Any) -> Outcome:
        """Tells that the point was interrupted."""
        return Outcome(point, State.interrupted)

    def end(self) -> None:
        """There is none."""


def searcher_of(
    folder: Path, waiting: tuple[Tried, ...] = (), *, new: int = 9, ended: tuple[Tried, ...] = ()
) -> tuple[JournaledSearcher, Journal]:
    """A searcher over a journal with some points."""
    journal = Journal(folder, {})
    search = make_search(Method.random, SPACE, [], "0", planned=9, low=False)
    console = Console(RichConsole(file=io.StringIO(), width=200))
    for point in (*ended, *waiting):
        journal.put(point)
    trials = Trials(folder, (), "prompts.planned")
    return JournaledSearcher(search, journal, trials, waiting, console, new=new), journal


def said_by(searcher: JournaledSearcher) -> str:
    """What the person saw."""
    return str(searcher._console.rich.file.getvalue())  # type: ignore[attr-defined]


FAILED = {"progress": "failed", "said": "no", "state": "failed"}


def test_the_journal_has_every_end(tmp_path: Path) -> None:
    searcher, journal = searcher_of(tmp_path, (Tried(1, {"seed": 5}, curve=[0.5]),))
    ends: list[dict[str, Any] | None] = [
        {"progress": "finished", "score": 0.5, "time_total_s": 3.0},
        {"curve": [0.25, 0.5], "time_total_s": 2.0},  # the scheduler had it stopped
        {"progress": "failed", "said": "training diverged"},
        None,
    ]
    for number, end in enumerate(ends):
        suggested = searcher.suggest(f"t{number}")
        assert suggested["number"] == number + 1
        searcher.on_trial_complete(f"t{number}", end, error=end is None)
    searcher.on_trial_complete("t0", error=True)  # as Tune says where it fails after the end
    points = journal.points
    assert points[0].values == {"seed": 5}, "what was cut off goes on, with the same values"
    assert [point.progress.value for point in points] == ["finished", "stopped", "failed", "failed"]
    assert (points[0].score, points[1].curve, points[2].said) == (0.5, [0.25, 0.5], "training diverged")
    assert points[3].said == "its actor died"


def test_tune_pickles_nothing_of_a_search(tmp_path: Path) -> None:
    searcher, _ = searcher_of(tmp_path)
    assert type(pickle.loads(pickle.dumps(searcher))) is Searcher


def test_a_point_comes_after_those_that_were_told_to_end(tmp_path: Path) -> None:
    searcher, _ = searcher_of(tmp_path)
    for number in range(4):
        searcher.suggest(f"t{number}")
    searcher.on_trial_complete("t0", {"curve": [0.25, 0.5]})  # the scheduler had it stopped
    searcher.on_trial_complete("t1", {"progress": "finished", "score": 0.5})
    searcher.on_trial_complete("t2", error=True)  # its actor is gone
    after = json.loads(searcher.suggest("t4")["after"])
    assert after == [1, 3]
    assert searcher._trials.point(Tried(5, {}), after).after == (tmp_path / "0001", tmp_path / "0003")


def test_a_sweep_whose_first_points_all_fail_is_given_up(tmp_path: Path) -> None:
    searcher, journal = searcher_of(tmp_path)
    for number in range(3):
        assert searcher.suggest(f"t{number}")
        searcher.on_trial_complete(f"t{number}", FAILED)
    assert searcher.suggest("t3") == searcher.suggest("t3") == Searcher.FINISHED
    assert len(journal.points) == 3
    assert said_by(searcher).count("the search gives up: 3 points failed and none came to its end; 6 are left") == 1


@pytest.mark.parametrize("progress", [Progress.finished, Progress.stopped])
def test_points_that_came_to_their_end_before_show_that_not_all_fail(tmp_path: Path, progress: Progress) -> None:
    failed = tuple(Tried(number, {"seed": number}, Progress.failed) for number in (2, 3, 4))
    searcher, _ = searcher_of(tmp_path, failed, new=2, ended=(Tried(1, {"seed": 1}, progress, 0.5, [0.5]),))
    order = []
    for number in range(5):
        order.append(searcher.suggest(f"t{number}")["number"])
        searcher.on_trial_complete(f"t{number}", FAILED)
    assert order == [5, 6, 2, 3, 4], "those that failed come after the new ones"
    assert "gives up" not in said_by(searcher)


def test_a_point_that_is_made_anew_shows_nothing(tmp_path: Path) -> None:
    """It was finished, and its documents or code have changed since: now it fails as all do."""
    again = tuple(Tried(number, {"seed": number}, Progress.finished, 0.5) for number in (1, 2, 3))
    searcher, _ = searcher_of(tmp_path, again, new=6)
    for number in range(3):
        searcher.suggest(f"t{number}")
        searcher.on_trial_complete(f"t{number}", FAILED)
    assert searcher.suggest("t3") == Searcher.FINISHED


def test_points_that_run_are_waited_for_before_a_search_gives_up(tmp_path: Path) -> None:
    searcher, _ = searcher_of(tmp_path)
    searcher.suggest("slow")
    for number in range(3):
        searcher.suggest(f"t{number}")
        searcher.on_trial_complete(f"t{number}", FAILED)
    assert searcher.suggest("t3") is None, "it may still come to its end"
    searcher.on_trial_result("slow", {"curve": [0.5]})
    assert searcher.suggest("t3")["number"] == 5, "one trains, and not all fail"
    searcher.on_trial_complete("t3", FAILED)
    searcher.on_trial_complete("slow", {**FAILED, "curve": [0.5]})
    assert searcher.suggest("t4") == Searcher.FINISHED
    assert "the search gives up: 5 points failed" in said_by(searcher)


def test_a_budget_that_is_used_up_is_no_sign_that_all_points_fail(tmp_path: Path) -> None:
    searcher, _ = searcher_of(tmp_path)
    used_up = trials._end(Outcome(Point("1", (), tmp_path), State.ended_early, said="stopped"), searcher._trials)
    for number in range(4):
        assert searcher.suggest(f"t{number}")["number"] == number + 1
        searcher.on_trial_complete(f"t{number}", used_up)


def test_a_sweep_ends_where_its_space_has_no_other_point(tmp_path: Path) -> None:
    search = make_search(Method.random, read_space({"seed": {"int": [0, 1]}}, "f"), [], "0", planned=9, low=False)
    console = Console(RichConsole(file=io.StringIO()))
    searcher = JournaledSearcher(
        search, Journal(tmp_path, {}), Trials(tmp_path, (), "prompts.planned"), (), console, new=9
    )
    for number in range(2):
        assert searcher.suggest(f"t{number}")["number"] == number + 1
    assert searcher.suggest("t2") == Searcher.FINISHED


def test_what_a_point_is_given(tmp_path: Path) -> None:
    given = ("experiment=adapt", "seed=1")  # a command refuses a key that has two values
    point = Trials(tmp_path, given, "validation").point(Tried(7, {"seed": 3}))
    assert point.label == "point 7: seed=3"
    assert point.run_dir == tmp_path / "0007"
    assert point.arguments[:2] == ("experiment=adapt", "seed=3")
    assert point.arguments[2].startswith("run_dir=")
    assert point.arguments[3].startswith("tracking.figures=")


def test_a_journal_that_cannot_be_written_ends_a_search(tmp_path: Path) -> None:
    """Tune would take it for a failure of the trial that has just ended, and run that once more."""
    searcher, journal = searcher_of(tmp_path)
    searcher.suggest("t0")
    searcher.suggest("t1")
    (tmp_path / "points.json").unlink()
    (tmp_path / "points.json").mkdir()  # in the way
    searcher.on_trial_complete("t0", {"progress": "finished", "score": 0.5})
    assert str(searcher.error).startswith(f"{tmp_path / 'points.json'}: cannot be written (Is a directory)")
    assert journal.points[0].progress is Progress.finished, "it is written with the next one"
    for ask in (lambda: searcher.suggest("t2"), lambda: searcher.on_trial_result("t1", {"curve": [0.5]})):
        with pytest.raises(UserError, match="cannot be written"):
            ask()


def test_the_process_of_a_stopped_trial_commits(ray_session: None, tmp_path: Path) -> None:
    """Ray would kill it with its actor, and its lock would be free while what it has started still holds a GPU."""
    import ray

    class Actor:
        def begin(self) -> None:
            def wait() -> None:
                command = [sys.executable, "-c", COMMITS, str(tmp_path)]
                self.process = subprocess.Popen(command, env=os.environ | lifeline(), start_new_session=True)
                self.process.wait()

            threading.Thread(target=wait, daemon=True).start()  # the process ends with the thread, too

        def end(self) -> None:
            self.process.terminate()

    environment = {"env_vars": TO_COMMIT | {"PYTHONPATH": str(ROOT)}}
    actor = ray.remote(num_cpus=0, runtime_env=environment)(Actor).remote()
    ray.get(actor.begin.remote())
    wait_until((tmp_path / "began").exists, "the process")
    ray.get(actor.end.remote())
    actor.__ray_terminate__.remote()
    wait_until((tmp_path / "committed").exists, "what it commits", seconds=20)

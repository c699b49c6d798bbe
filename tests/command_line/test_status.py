"""`synthmill status`: what it says of a run, and what its exit code tells a script."""

from __future__ import annotations

import errno
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.command_line.main import main
from engine.command_line.status import NOT_WELL, Options, View, lines, look, read_options
from engine.errors import UserError
from engine.runtime.activity import Count, Moment, Wait
from engine.storage.run_folders import begin_run
from engine.watch.life import Life
from engine.watch.made import Kept, Made
from engine.watch.status import EngineLife, RunState, Status, status_file, this_driver, write_status
from engine.watch.times import Times

NOW = Status(
    driver=this_driver(),
    state=RunState.running,
    began=time.time() - 600,
    written=time.time(),
    beats=3,
    every_seconds=5.0,
    steps=["documents", "prompts", "samples", "examples", "model"],
    made=["documents", "prompts"],
    moment=Moment(
        "samples",
        75.0,
        [Count("samples", "samples", 1234, 5000, 3.0, 75.0)],
        [Wait("samples", "loading a-model", 30.0)],
        "samples: engine 1 died",
        125.0,
    ),
    engines=[EngineLife(0, "working"), EngineLife(1, "loading")],
    engines_wanted=2,
)
VIEW = View("/runs/demo", NOW, Life.goes_on, Made(1200, 34, 7200.0, 0.0, 4.5), Kept(180, 256, is_curated=False))


@pytest.fixture(autouse=True)
def written_just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long ago tests were collected."""
    monkeypatch.setattr(time, "time", lambda: NOW.written)


def told(view: View) -> dict[str, str]:
    """The last line that begins with each word."""
    return dict(lines(view))


def test_a_run_that_goes_on_says_all_there_is_to_know() -> None:
    said = told(VIEW)
    assert said["run"].startswith("/runs/demo: goes on (pid ")
    assert said["run"].endswith(", for 10 min 0 s")
    assert said["made"] == "documents, prompts"
    assert said["now"] == "samples, for 1 min 15 s"
    assert ("samples", "1,234/5,000 samples, 3.0/s, 20 min 55 s left") in lines(VIEW)
    assert said["engines"] == "1 of 2 alive (1 loading, 1 working)"
    assert said["waits"] == "samples: loading a-model, for 30 s"
    assert said["to do"] == "examples, model"
    assert said["said"] == "samples: engine 1 died (2 min 5 s ago)", "it may be over"
    assert said["generated"] == "1,200 samples, 34 failed, by what engines noted last, in all that they were asked for"
    assert len(lines(VIEW)) == len(said), "no two lines begin alike"
    assert said["kept"] == "70% so far: the row filters let pass 180 of the last 256 samples"
    assert said["cost"] == "2.00 core-hours of engines; 4.50 at the prices of samples.price_per_*_hour"
    assert "still" not in said


def test_a_run_that_stands_still_a_late_one_and_a_dead_one_say_so() -> None:
    assert VIEW.is_well
    still = replace(VIEW, status=replace(NOW, still=["samples: no samples for 5 min 0 s"]))
    assert told(still)["still"] == "samples: no samples for 5 min 0 s"
    late, dead = (replace(VIEW, life=life) for life in (Life.is_late, Life.has_died))
    assert "it has written nothing for " in told(late)["run"]
    assert "has died (pid " in told(dead)["run"]
    assert "goes on from there" in told(dead)["run"]
    assert [view.is_well for view in (still, late, dead)] == [False, False, False]


def test_a_run_that_ended_says_how_and_what_is_there() -> None:
    over = replace(NOW, state=RunState.refused, message="the disk is full")
    ended = replace(VIEW, status=over, life=Life.has_ended, kept=Kept(900, 1200, is_curated=True))
    said = told(ended)
    assert "ended with a message after 10 min 0 s" in said["run"]
    assert said["run"].endswith(": the disk is full")
    assert said["not made"] == "samples, examples, model"
    assert said["kept"] == "75% (900 of 1,200)"
    assert said.keys().isdisjoint({"now", "engines", "waits", "to do", "said"})
    assert not ended.is_well
    assert replace(ended, status=replace(over, state=RunState.finished)).is_well


ROUNDS = [f"{noun} ({number} of 3)" for number in (1, 2, 3) for noun in ("prompts", "samples", "examples")]


def test_a_round_hides_no_other_round() -> None:
    steps, made = ["documents", *ROUNDS, "model"], ["documents", "prompts (1 of 3)"]
    first = told(replace(VIEW, status=replace(NOW, steps=steps, made=made)))
    assert first["to do"] == ", ".join(step for step in (*ROUNDS, "model") if step not in (*made, "samples (1 of 3)"))


def test_what_a_round_kept_is_not_the_last_word() -> None:
    steps, kept = ["documents", *ROUNDS], Kept(182, 256, is_curated=True)
    between = replace(VIEW, status=replace(NOW, steps=steps, made=steps[:4]), kept=kept)
    assert told(between)["kept"] == "71% so far: curation kept 182 of 256, and another round is to come"
    last = replace(between, status=replace(NOW, steps=steps, made=steps))
    assert told(last)["kept"] == "71% (182 of 256)"
    assert told(replace(between, status=None))["kept"] == "71% (182 of 256)"


def test_figures_of_an_earlier_start_are_said_to_be_its() -> None:
    began, reading = told(VIEW), told(replace(VIEW, status=replace(NOW, has_begun=False)))
    for noun in ("generated", "kept", "cost"):
        assert reading[noun].removeprefix(began[noun]).startswith("; of earlier starts"), noun
    assert reading["made"] == began["made"], "steps are those of this start"


def written_elsewhere(run: Path, **changes: Any) -> Status:
    """The status of a driver of another machine."""
    status = replace(NOW, driver=replace(NOW.driver, host="another-host"), **changes)
    write_status(status_file(run, has_begun=True), status)
    return status


def test_a_run_that_ends_while_it_is_looked_at_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_run(tmp_path, "")
    before = written_elsewhere(tmp_path)
    monkeypatch.setattr("time.sleep", lambda _: written_elsewhere(tmp_path, state=RunState.finished))
    view = look(str(tmp_path))
    assert (view.life, view.is_well) == (Life.has_ended, True)
    assert "finished after" in told(view)["run"]
    written_elsewhere(tmp_path, beats=9)
    assert look(str(tmp_path), before).life is Life.goes_on


@pytest.mark.parametrize("gone", [FileNotFoundError(2, "gone"), OSError(errno.ESTALE, "stale")])
def test_what_goes_while_it_is_read_is_read_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gone: OSError
) -> None:
    begin_run(tmp_path, "")
    failures = [gone]

    def read(_: Path) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr("engine.watch.made.made_so_far", read)
    monkeypatch.setattr("engine.command_line.status._TRY_SECONDS", 0.0)
    assert look(str(tmp_path)).status is None
    failures += [gone] * 9
    assert main(["status", str(tmp_path)]) == 2
    assert f"cannot be read ({gone.strerror})" in capsys.readouterr().err


def test_a_status_that_may_not_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin_run(tmp_path, "")
    status_file(tmp_path, has_begun=True).mkdir()  # whoever tests may be root, who may read everything else
    assert main(["status", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{tmp_path / 'status.json'}: cannot be read (Is a directory)" in error


def test_it_reads_a_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    begin_run(run, "")
    assert main(["status", str(run)]) == 0
    assert "no driver has written a status there" in capsys.readouterr().out
    write_status(status_file(run, has_begun=True), NOW)
    assert main(["status", str(run)]) == 0
    assert "now        samples, for 1 min 15 s" in capsys.readouterr().out.splitlines()
    gone = replace(NOW, driver=replace(NOW.driver, process_start=1.0))
    write_status(status_file(run, has_begun=True), gone)
    assert main(["status", str(run), "--json", "--follow"]) == NOT_WELL, "a dead run is not followed"
    shown = json.loads(capsys.readouterr().out)
    assert (shown["life"], shown["is_well"], shown["status"]["moment"]["step"]) == ("has died", False, "samples")
    assert main(["status", str(tmp_path / "nowhere")]) == 2


def test_a_status_of_anybodys_makes_a_terminal_do_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a shared disk others may write it, and its lines name files of collections."""
    run = tmp_path / "run"
    begin_run(run, "")
    write_status(status_file(run, has_begun=True), replace(NOW, moment=replace(NOW.moment, line="a: \x1bc\x9b2J\x7f")))
    main(["status", str(run)])
    assert "\\u001bc\\u009b2J\\u007f" in capsys.readouterr().out
    main(["status", str(run), "--json"])
    told = capsys.readouterr().out
    assert told.removesuffix("\n").isprintable()
    assert json.loads(told)["status"]["moment"]["line"] == "a: \x1bc\x9b2J\x7f"


def test_options() -> None:
    assert read_options(["--follow", "runs/a"], "usage") == Options("runs/a", follow=True)
    assert read_options(["runs/a", "--json"], "usage") == Options("runs/a", as_json=True)
    for wrong in ([], ["a", "b"], ["a", "--folow"]):
        with pytest.raises(UserError) as caught:
            read_options(wrong, "usage")
        assert caught.value.remedy == "write: usage"


def test_where_the_time_went_and_what_engines_held_in_vain() -> None:
    steps = {"documents": 3.0, "samples": 600.0, "between steps": 0.2, "examples": 42.0}
    waits, engines = {"samples: loading a-model": 61.0}, {"loading": 122.0, "working": 1200.0, "without rows": 118.0}
    said = told(replace(VIEW, status=replace(NOW, times=Times(steps, waits, engines, "GPU"))))
    assert said["spent"] == "10 min 0 s samples, 42 s examples, 3.0 s documents"
    assert said["waited"] == "1 min 1 s samples: loading a-model"
    assert said["idle"] == "17% of 0.40 GPU-hours that engines held (8% loading, 8% without rows)"
    assert not {"spent", "waited", "idle"} & told(VIEW).keys(), "nothing was looked at yet"


@pytest.mark.parametrize(
    ("where", "before"),
    [("time.sleep", 0), ("engine.command_line.status.look", 1), ("engine.command_line.status.look", 0)],
)
def test_who_follows_a_run_ends_it_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str, before: int
) -> None:
    """Whether the interrupt comes between two looks or in one of them, the first one too."""
    run = tmp_path / "run"
    begin_run(run, "")
    write_status(status_file(run, has_begun=True), NOW)
    looked: list[object] = []

    def stop(*arguments: Any) -> View:
        looked.append(arguments)
        if len(looked) > before:
            raise KeyboardInterrupt
        return look(*arguments)

    monkeypatch.setattr("engine.command_line.status._FOLLOW_SECONDS", 0.0)
    monkeypatch.setattr(where, stop)
    assert main(["status", str(run), "--follow"]) == 0
    assert looked
    assert "interrupted" not in capsys.readouterr().err

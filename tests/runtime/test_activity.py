"""What a run is doing, as somebody beside it sees it."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console as RichConsole

from engine.runtime.activity import Activity, Count
from engine.runtime.console import Console


def test_a_moment_has_the_step_what_is_counted_and_what_is_waited_for() -> None:
    console = Console(RichConsole(file=io.StringIO(), width=100))
    activity = console.activity
    with activity.making("round_0/values/samples"), console.waiting("samples", "loading a-model"):
        with console.progress("samples", 1000, "samples") as bar:
            bar.start_at(500)
            bar.reach(600)
            console.warn("an engine died")
            moment = activity.moment()
        after = activity.moment()
    [count], [wait] = moment.counts, moment.waits
    assert (count.noun, count.unit, count.done, count.total) == ("samples", "samples", 600, 1000)
    assert (count.per_second, count.seconds_left) == (0.0, None), "one move tells nothing of the rest"
    assert (moment.step, wait.noun, wait.text) == ("round_0/values/samples", "samples", "loading a-model")
    assert moment.line == "warning: an engine died"
    assert after.counts == []
    assert (activity.moment().step, activity.moment().waits) == ("", [])


def test_what_ends_in_an_error_has_ended() -> None:
    activity = Activity()
    with pytest.raises(OSError, match="gone"), activity.making("report"), activity.waiting("report", "a lock"):
        raise OSError("gone")
    assert (activity.moment().step, activity.moment().waits) == ("", [])


def test_what_the_terminal_was_told_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("engine.runtime.activity.time", SimpleNamespace(monotonic=lambda: now[0]))
    console = Console(RichConsole(file=io.StringIO(), width=100))
    console.step("samples", "250 to generate")
    now[0] = 163.0
    moment = console.activity.moment()
    assert (moment.line, moment.line_seconds) == ("samples: 250 to generate", 63.0)


def test_nothing_is_said_of_the_time_left_before_there_is_a_rate() -> None:
    assert Count("model", "steps", 0, 10, 0.0, 3.0).seconds_left is None
    assert Count("model", "steps", 10, 10, 2.0, 3.0).seconds_left == 0

"""The searches: points lie in the space, are not drawn twice over restarts, and TPE goes where scores are good."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from engine.sweeps.journal import Progress, Tried
from engine.sweeps.search import Method, Search, make_search
from engine.sweeps.space import Values, name_of, read_space

SPACE = read_space(
    {
        "x": {"uniform": [0, 1]},
        "kind": {"choice": ["a", ["b"]]},
        "rate": {"loguniform": [1e-5, 1e-1], "when": {"kind": "a"}},
        "n": {"int": [1, 9]},
    },
    "f",
)


def ask_on(method: Method, tried: Sequence[Tried], count: int, *, low: bool = False) -> list[Tried]:
    """Tries points whose score is x, and returns all of them."""
    search = make_search(method, SPACE, tried, f"7/{len(tried)}", planned=60, low=low)
    points = list(tried)
    for _ in range(count):
        values = search.ask()
        assert values is not None
        point = Tried(len(points) + 1, values, Progress.finished, values["x"] + 0.01 * values["n"])
        search.tell(point)
        points.append(point)
    return points


@pytest.mark.parametrize("method", Method)
def test_points_lie_in_the_space_and_do_not_repeat_after_a_restart(method: Method) -> None:
    points = ask_on(method, ask_on(method, [], 6), 6)
    assert all(0 <= point.values["x"] <= 1 and 1 <= point.values["n"] <= 9 for point in points)
    assert all(("rate" in point.values) == (point.values["kind"] == "a") for point in points)
    assert len({point.values["x"] for point in points}) == 12


@pytest.mark.parametrize("low", [False, True])
def test_tpe_goes_where_scores_are_good(low: bool) -> None:
    first = ask_on(Method.tpe, [], 20, low=low)
    later = ask_on(Method.tpe, first, 20, low=low)[20:]  # what it knows it was told by the journal
    mean = statistics.fmean(point.values["x"] for point in later)
    assert mean < 0.3 if low else mean > 0.7


def test_a_point_that_was_stopped_counts_by_its_last_validation_and_a_failure_not_at_all() -> None:
    search = make_search(Method.tpe, SPACE, [], "0", planned=9, low=False)
    search.tell(Tried(1, asked(search), Progress.stopped, curve=[0.25, 0.5]))
    search.tell(Tried(2, asked(search), Progress.failed))
    search.tell(Tried(3, asked(search), Progress.finished, math.nan))
    search.tell(Tried(4, asked(search), Progress.stopped, curve=[math.nan]))
    assert [trial.value for trial in known(search) if trial.state.name == "COMPLETE"] == [0.5]
    assert "RUNNING" not in states(search)


def asked(search: Search) -> Values:
    """The next point, of which there is one."""
    values = search.ask()
    assert values is not None
    return values


def known(search: Search) -> list[Any]:
    """What Optuna was told of."""
    trials: list[Any] = search._study.get_trials(deepcopy=False)  # type: ignore[attr-defined]
    return trials


def states(search: Search) -> Counter[str]:
    """How many points Optuna takes to be in which state."""
    return Counter(trial.state.name for trial in known(search))


@pytest.mark.parametrize("method", Method)
def test_a_small_space_is_tried_whole_and_nothing_of_it_twice(method: Method) -> None:
    small = read_space({"a": {"choice": ["x", "y"]}, "n": {"int": [1, 4], "when": {"a": "y"}}}, "f")
    search = make_search(method, small, [], "0", planned=9, low=False)
    first, second = asked(search), asked(search)  # two at a time
    for number, values in enumerate((first, second), 1):
        search.tell(Tried(number, values, Progress.finished, 0.5))
    drawn = [first, second, *(asked(search) for _ in range(3))]
    assert len({name_of(values) for values in drawn}) == 5
    assert search.ask() is None
    again = make_search(
        method, small, [Tried(n, values) for n, values in enumerate(drawn[:3], 1)], "3", planned=9, low=False
    )
    assert name_of(asked(again)) in {name_of(values) for values in drawn[3:]}, "those that go on are not drawn either"


@pytest.mark.parametrize("method", Method)
def test_a_space_that_is_endless_in_a_corner_has_always_another_point(method: Method) -> None:
    corner = {"a": {"choice": list(range(30))}, "x": {"uniform": [0, 1], "when": {"a": 29}}}
    search = make_search(method, read_space(corner, "f"), [], "0", planned=60, low=False)
    assert len({name_of(asked(search)) for _ in range(60)}) == 60


def test_tpe_that_clings_to_a_corner_without_end_has_another_point_all_the_same() -> None:
    """What is left is then one number of the range in each list of it, which may be one that was tried."""
    space = read_space({"a": {"choice": [0, 1]}, "x": {"uniform": [0.9, 1.0], "when": {"a": 1}}}, "f")
    search = make_search(Method.tpe, space, [], "4/0", planned=100, low=False)
    for number in range(1, 61):
        values = asked(search)
        search.tell(Tried(number, values, Progress.finished, 1.0 - values["a"]))
    assert not search.is_exhausted


@pytest.mark.parametrize("method", Method)
def test_a_range_that_was_tried_whole_has_no_other_point(method: Method) -> None:
    parameter = {"x": {"uniform": [0.9, 1.0]}}
    numbers = [round(0.9 + step / 10_000, 4) for step in range(1001)]
    tried = [Tried(n, {"x": number}, Progress.finished, 0.5) for n, number in enumerate(numbers, 1)]
    search = make_search(method, read_space(parameter, "f"), tried[:500] + tried[501:], "0", planned=2000, low=False)
    search.tell(tried[500])
    assert (search.ask(), search.is_exhausted) == (None, True)
    other = make_search(method, read_space(parameter, "f"), tried[:500], "0", planned=2000, low=False)
    assert asked(other)["x"] > numbers[499]
    assert not other.is_exhausted


def test_points_that_run_count_as_such_until_they_end() -> None:
    before = [Tried(1, {"x": 0.5, "kind": ["b"], "n": 3}), Tried(2, {"x": 0.25, "kind": "a", "rate": 0.001, "n": 4})]
    search = make_search(Method.tpe, SPACE, before, "2", planned=9, low=False)
    assert states(search) == {"RUNNING": 2}, "they go on, and their neighbours are left alone meanwhile"
    search.tell(Tried(1, before[0].values, Progress.finished, 0.5))
    search.tell(Tried(2, before[1].values, Progress.failed))
    assert states(search) == {"COMPLETE": 1, "FAIL": 2}


def test_settings_that_an_older_journal_has_twice_count_once() -> None:
    values = {"x": 0.5, "kind": ["b"], "n": 3}
    before = [
        Tried(1, values, Progress.stopped, curve=[0.25]),
        Tried(2, values, Progress.finished, 0.5),
        Tried(3, values, Progress.finished, 0.5),
        Tried(4, values),
    ]
    search = make_search(Method.tpe, SPACE, before, "4", planned=9, low=False)
    search.tell(Tried(4, values, Progress.finished, 0.5))
    assert [trial.value for trial in known(search)] == [0.5]

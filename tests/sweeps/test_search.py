"""The searches: points lie in the space, are not drawn twice over restarts, and TPE goes where scores are good."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import pytest

from engine.sweeps.journal import Progress, Tried
from engine.sweeps.search import Method, make_search
from engine.sweeps.space import read_space

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
    values = search.ask()
    search.tell(Tried(1, values, Progress.stopped, curve=[0.25, 0.5]))
    search.tell(Tried(2, search.ask(), Progress.failed))
    known = search._study.get_trials(states=None)  # type: ignore[attr-defined]
    assert [trial.value for trial in known if trial.state.name == "COMPLETE"] == [0.5]

"""Schedulers of Ray Tune: they know points that ended before, pause none, and count validations alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from engine.sweeps.journal import Progress, Tried
from engine.sweeps.schedulers import make_scheduler
from engine.sweeps.stopping import Stop


@pytest.mark.parametrize("stop", [Stop.asha, Stop.median])
@pytest.mark.parametrize("low", [False, True])
def test_a_scheduler_knows_points_that_ended_before(stop: Stop, low: bool) -> None:
    before = [Tried(n, {}, Progress.finished, 0.5, [0.4 + n / 100, 0.5 + n / 100]) for n in range(1, 7)]
    for score, decision in ((0.1, TrialScheduler.STOP), (0.9, TrialScheduler.CONTINUE)):
        scheduler = make_scheduler(stop, [*before, Tried(9, {}, Progress.failed)], low=low)
        trial, idle = SimpleTrial("now"), SimpleNamespace(get_live_trials=list)
        scheduler.on_trial_add(idle, trial)
        told = 1 - score if low else score
        first = {"training_iteration": 1, "validation": told}
        assert scheduler.on_trial_result(idle, trial, first) == TrialScheduler.CONTINUE, "the first says too little"
        assert scheduler.on_trial_result(idle, trial, {**first, "training_iteration": 2}) == decision


class SimpleTrial:
    """What a scheduler sees of a trial."""

    def __init__(self, trial_id: str, status: str = "RUNNING") -> None:
        self.trial_id, self.status = trial_id, status


@pytest.mark.parametrize("stop", [Stop.asha, Stop.median])
def test_no_scheduler_pauses_a_point(stop: Stop) -> None:
    """Its process would end, and start again."""
    scheduler = make_scheduler(stop, [], low=False)
    alone, other = SimpleTrial("a"), SimpleTrial("b", "PENDING")
    controller = SimpleNamespace(get_live_trials=lambda: [alone, other])
    for trial in (alone, other):
        scheduler.on_trial_add(controller, trial)
    for number in range(1, 9):
        result = {"training_iteration": number, "validation": 0.5}
        assert scheduler.on_trial_result(controller, alone, result) == TrialScheduler.CONTINUE


@pytest.mark.parametrize("stop", [Stop.asha, Stop.median])
def test_a_sweep_that_was_interrupted_stops_points_as_one_that_was_not(stop: Stop) -> None:
    """So the end of a point is no validation: after another start a scheduler knows the validations alone."""
    curves = [[0.9], [0.2, 0.8], [0.3, 0.7], [0.6, 0.1]]
    idle = SimpleNamespace(get_live_trials=list)
    live = make_scheduler(stop, [], low=False)
    for number, curve in enumerate(curves):
        trial = SimpleTrial(str(number))
        live.on_trial_add(idle, trial)
        ended: dict[str, Any] = {}
        for count, reported in enumerate(reports_of(curve), 1):
            ended = {"training_iteration": count, **reported}
            live.on_trial_result(idle, trial, ended)
        live.on_trial_complete(idle, trial, ended)
    tried = [Tried(number, {}, Progress.finished, 0.5, curve) for number, curve in enumerate(curves)]
    resumed = make_scheduler(stop, tried, low=False)
    decisions = []
    for scheduler in (live, resumed):
        for count, score in ((2, 0.75), (2, 0.35), (2, 0.15)):
            trial = SimpleTrial(f"now {score}")
            scheduler.on_trial_add(idle, trial)
            decisions.append(scheduler.on_trial_result(idle, trial, {"training_iteration": count, "validation": score}))
    assert decisions[:3] == decisions[3:]
    assert decisions[2] == TrialScheduler.STOP


@pytest.mark.parametrize("stop", [Stop.asha, Stop.median])
@pytest.mark.parametrize("low", [False, True])
def test_nothing_is_decided_about_points_that_have_ended_and_their_whole_curves_count(stop: Stop, low: bool) -> None:
    """The last one ran first: told after the others, it is one that would be stopped at its second validation."""
    curves = [[0.9] * 7, [0.8] * 7, [0.1] * 7, [0.3, 0.3, *[0.6] * 5]]
    curves = [[1 - score for score in curve] if low else curve for curve in curves]
    tried = [Tried(number, {}, Progress.finished, 0.5, curve) for number, curve in enumerate(curves)]
    decisions = []
    for score in (0.75, 0.7, 0.65, 0.55):
        live, idle = make_scheduler(stop, [], low=low), SimpleNamespace(get_live_trials=list)
        for number, curve in reversed(list(enumerate(curves))):
            trial = SimpleTrial(str(number))
            live.on_trial_add(idle, trial)
            for count, told in enumerate(curve, 1):
                live.on_trial_result(idle, trial, {"training_iteration": count, "validation": told})
        now = SimpleTrial("now")
        result = {"training_iteration": 6, "validation": 1 - score if low else score}
        for scheduler in (live, make_scheduler(stop, tried, low=low)):
            scheduler.on_trial_add(idle, now)
            decisions.append((score, scheduler.on_trial_result(idle, now, result)))
    assert decisions[::2] == decisions[1::2], "as if the search had never been interrupted"
    if stop is Stop.median:  # of 0.9, 0.8, 0.1 and a mean of 0.54, whose median is 0.67; without the last one it is 0.8
        assert [decision for _, decision in decisions[::2]] == 2 * ["CONTINUE"] + 2 * ["STOP"]


def reports_of(curve: list[float]) -> list[dict[str, Any]]:
    """What the trial of a point with this curve reports (tests/sweeps/test_trials.py)."""
    validations = [{"validation": score, "curve": curve[:number]} for number, score in enumerate(curve, 1)]
    return [*validations, {"progress": "finished", "score": curve[-1], "curve": curve}]

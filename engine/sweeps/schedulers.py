"""Schedulers of Ray Tune, which stop points that are behind, as a search needs them.

In: how points are stopped, and those that ended before this start. Out: a scheduler that knows their validations, and
decides as if the search had never been interrupted. About those points themselves nothing is decided: when they ran,
fewer others were known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from engine.sweeps.journal import Tried
from engine.sweeps.stopping import Stop

_ALL_VALIDATIONS = 10_000
"""More validations than any training has: ASHA stops no point for having come to the end."""
_FIRST_STOP = 2
"""The validation at which a point may first be stopped: one of few queries after a few steps says too little."""
_REDUCTION = 3
"""ASHA keeps the best third at each of its rungs: at validation 2, 6, 18 ..."""


@dataclass(frozen=True)
class _Past:
    """A point that ended before this start, as a scheduler sees a trial."""

    trial_id: str


class _Idle:
    """What a scheduler sees of Tune while nothing runs yet."""

    def get_live_trials(self) -> list[Any]:
        """Returns no trial."""
        return []


class _Median(MedianStoppingRule):
    """Tune's median rule by validations alone, which stops points or lets them go on.

    Tune's own pauses a point while it knows too few others, and gives its place to another: the process would end, and
    start again later. And it counts the last result of a point once more when that one ends.
    """

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decides by a validation; a result without one decides nothing."""
        decision = str(super().on_trial_result(tune_controller, trial, result))
        return TrialScheduler.CONTINUE if decision == TrialScheduler.PAUSE else decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Counts nothing: every validation was told when it came."""

    def know(self, trial: Any, result: dict[str, Any]) -> None:
        """Counts a validation of a point that has ended, and decides nothing.

        Tune's own rule, asked to decide, counts nothing of a point behind the validation at which it would stop it.
        """
        super().on_trial_complete(None, trial, result)  # which does no more than that


def make_scheduler(stop: Stop, tried: Sequence[Tried], *, low: bool) -> TrialScheduler:
    """Makes Tune's scheduler, which then knows the validations of points that ended before this start."""
    goes_by = {"time_attr": "training_iteration", "metric": "validation", "mode": "min" if low else "max"}
    if stop is Stop.none:
        return FIFOScheduler()
    if stop is Stop.asha:
        rungs = {"max_t": _ALL_VALIDATIONS, "grace_period": _FIRST_STOP, "reduction_factor": _REDUCTION}
        scheduler: TrialScheduler = ASHAScheduler(**goes_by, **rungs)
    else:
        scheduler = _Median(**goes_by, grace_period=_FIRST_STOP)
    idle = _Idle()
    for point in tried:
        if point.curve and point.has_ended:
            past = _Past(f"before-{point.number}")
            scheduler.on_trial_add(idle, past)
            for number, score in enumerate(point.curve, 1):
                result = {"training_iteration": number, "validation": score}
                if isinstance(scheduler, _Median):
                    scheduler.know(past, result)
                else:  # ASHA counts a point at its rungs, whatever it decides there
                    scheduler.on_trial_result(idle, past, result)
    return scheduler

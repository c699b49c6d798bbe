"""Which point is tried next: at random, or where Optuna's TPE expects the most of what is known.

In: a space, and the points that were tried. Out: values, one point after the other. A search holds nothing that the
journal does not: it is made anew of the journal's points when a sweep goes on. Points that were cut off come first
then, with the values that they had, and those that failed last.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from engine.sweeps.journal import Progress, Tried
from engine.sweeps.space import Kind, Parameter, Space, Values, rounded

if TYPE_CHECKING:
    import optuna

_BEFORE_TPE = 10
"""Points that TPE draws at random at most, before it goes by what they reached; of a small sweep a third."""


class Method(Enum):
    """How the next point is found."""

    tpe = "tpe"
    random = "random"


class Search(Protocol):
    """Chooses points."""

    def ask(self) -> Values:
        """Returns the values of another point."""

    def tell(self, point: Tried) -> None:
        """Takes note of how a point ended."""


def make_search(method: Method, space: Space, tried: Sequence[Tried], seed: str, *, planned: int, low: bool) -> Search:
    """Makes a search that knows what was tried.

    Args:
        method: how points are found.
        space: what is tried.
        tried: the points so far.
        seed: what is drawn follows from it, so that every start of a sweep needs another one.
        planned: the points of the whole sweep.
        low: whether low scores are the good ones.
    """
    draws = random.Random(seed)
    if method is Method.random:
        return RandomSearch(space, draws)
    search = TpeSearch(space, draws.getrandbits(31), planned, low=low)
    for point in tried:
        search.tell(point)
    return search


class RandomSearch:
    """Draws every point for itself."""

    def __init__(self, space: Space, draws: random.Random) -> None:
        self._space, self._draws = space, draws

    def ask(self) -> Values:
        """Draws the values of another point."""
        return self._space.draw(self._draws)

    def tell(self, point: Tried) -> None:
        """Draws nothing from it."""


class TpeSearch:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), asked for one point after the other.

    Points that run now count as bad ones (`constant_liar`), so that two at a time are not the same. Those that the
    scheduler stopped count by their last validation.
    """

    def __init__(self, space: Space, seed: int, planned: int, *, low: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        at_random = max(1, min(_BEFORE_TPE, planned // 3))
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=at_random, constant_liar=True)
        self._space = space
        self._study = optuna.create_study(direction="minimize" if low else "maximize", sampler=sampler)
        self._asked: dict[str, int] = {}

    def ask(self) -> Values:
        """Returns the values that TPE chooses next."""
        trial = self._study.ask()
        values: dict[str, Any] = {}
        for parameter in self._space.parameters:
            if parameter.counts(values):
                values[parameter.key] = _suggested(trial, parameter)
        self._asked[_name(values)] = trial.number
        return values

    def tell(self, point: Tried) -> None:
        """Adds what a point reached; one that failed is left out, since it says nothing of its values."""
        import optuna

        number = self._asked.pop(_name(point.values), None)
        if number is not None:  # it was asked for, and is known as running until now
            self._study.tell(number, state=optuna.trial.TrialState.FAIL)
        score = point.score if point.progress is Progress.finished else next(iter(point.curve[-1:]), None)
        if point.progress not in (Progress.finished, Progress.stopped) or score is None:
            return
        by_key = {parameter.key: parameter for parameter in self._space.parameters}
        self._study.add_trial(
            optuna.trial.create_trial(
                params={key: as_known(by_key[key], value) for key, value in point.values.items()},
                distributions={key: distribution_of(by_key[key]) for key in point.values},
                value=score,
            )
        )


def _name(values: Values) -> str:
    return json.dumps(values, sort_keys=True)


def _suggested(trial: optuna.trial.Trial, parameter: Parameter) -> Any:
    key = parameter.key
    if parameter.kind is Kind.choice:
        return parameter.choices[trial.suggest_categorical(key, list(range(len(parameter.choices))))]
    if parameter.kind is Kind.int:
        return trial.suggest_int(key, int(parameter.low), int(parameter.high))
    return rounded(trial.suggest_float(key, parameter.low, parameter.high, log=parameter.kind is Kind.loguniform))


def distribution_of(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """Returns what Optuna is told of a parameter's values."""
    import optuna

    if parameter.kind is Kind.choice:
        return optuna.distributions.CategoricalDistribution(list(range(len(parameter.choices))))
    if parameter.kind is Kind.int:
        return optuna.distributions.IntDistribution(int(parameter.low), int(parameter.high))
    log = parameter.kind is Kind.loguniform
    return optuna.distributions.FloatDistribution(parameter.low, parameter.high, log=log)


def as_known(parameter: Parameter, value: Any) -> Any:
    """Returns a value as Optuna knows it: a choice by its number, and no number beyond the ends for its rounding."""
    if parameter.kind is Kind.choice:
        return parameter.choices.index(value)
    return value if parameter.kind is Kind.int else min(max(value, parameter.low), parameter.high)

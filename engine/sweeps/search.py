"""Which point is tried next: at random, or where Optuna's TPE expects the most of what is known.

In: a space, and the points that were tried. Out: values, one point after the other, none twice: the same settings are
the same steps of the store, and would only repeat a score. A search holds nothing that the journal does not: it is made
anew of the journal's points when a sweep goes on. Points that were cut off come first then, with the values that they
had, and those that failed last.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from engine.sweeps.journal import Progress, Tried
from engine.sweeps.space import Kind, Parameter, Space, Values, name_of

if TYPE_CHECKING:
    import optuna

_BEFORE_TPE = 10
"""Points that TPE draws at random at most, before it goes by what they reached; of a small sweep a third."""
_ENDED = (Progress.finished, Progress.stopped)
_ORDER = (*_ENDED, Progress.started, Progress.failed)
_TRIES = 20
"""So often another point is drawn in the place of one that was drawn before, until those that are left are listed."""
_LISTS = 100
"""So many lists are drawn at most where ranges of real numbers make a space endless: each has other numbers of them."""
_MOST_LISTED = 1000
"""So many points that are left are listed at most, for one of them to be drawn."""


class Method(Enum):
    """How the next point is found."""

    tpe = "tpe"
    random = "random"


class Search(Protocol):
    """Chooses points.

    Attributes:
        is_exhausted: whether it was asked for a point, and found none that was not tried.
    """

    is_exhausted: bool

    def ask(self) -> Values | None:
        """Returns the values of a point that was not tried yet; None where none is found."""

    def tell(self, point: Tried) -> None:
        """Takes note of how a point ended."""


def make_search(method: Method, space: Space, tried: Sequence[Tried], seed: str, *, planned: int, low: bool) -> Search:
    """Makes a search that knows what was tried.

    Args:
        method: how points are found.
        space: what is tried.
        tried: the points so far; those that are started or failed are taken to be running, as they are to be run again.
        seed: what is drawn follows from it, so that every start of a sweep needs another one.
        planned: the points of the whole sweep.
        low: whether low scores are the good ones.
    """
    draws = random.Random(seed)
    if method is Method.random:
        return RandomSearch(space, draws, tried)
    search = TpeSearch(space, draws, planned, low=low)
    for point in distinct(tried):
        if point.progress in _ENDED:
            search.tell(point)
        else:
            search.begin(point.values)
    return search


def distinct(tried: Sequence[Tried]) -> list[Tried]:
    """Returns points without those that repeat another one's settings: of these the one that came furthest stays.

    No search draws a point twice, but journals from before that was so have such points.
    """
    kept: dict[str, Tried] = {}
    for point in sorted(tried, key=lambda point: (_ORDER.index(point.progress), point.number)):
        kept.setdefault(name_of(point.values), point)
    return sorted(kept.values(), key=lambda point: point.number)


class RandomSearch:
    """Draws every point for itself, and none again."""

    def __init__(self, space: Space, draws: random.Random, tried: Sequence[Tried]) -> None:
        self._space, self._draws = space, draws
        self._drawn = {name_of(point.values) for point in tried}
        self.is_exhausted = False

    def ask(self) -> Values | None:
        """Draws the values of a point that was not tried yet; None where none is found."""
        values = another(self._space, self._drawn, self._draws)
        if values is not None:
            self._drawn.add(name_of(values))
        self.is_exhausted = values is None
        return values

    def tell(self, point: Tried) -> None:
        """Draws nothing from it."""


def another(space: Space, drawn: set[str], draws: random.Random) -> Values | None:
    """Draws a point of a space that was not tried: at random, and where that fails some times, from a list of such.

    Args:
        space: what is tried.
        drawn: the names of the points that were drawn before.
        draws: what another one is drawn by.

    Returns:
        Its values. None where a space that can be listed has no other, and where of an endless one none is found.
    """
    for _ in range(_TRIES):
        values = space.draw(draws)
        if name_of(values) not in drawn:
            return values
    for _ in range(_LISTS if space.is_endless else 1):
        others = (values for values in space.settings(draws) if name_of(values) not in drawn)
        left = list(itertools.islice(others, _MOST_LISTED))
        if left:
            return draws.choice(left)
    return None


class TpeSearch:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), asked for one point after the other.

    Points that run now count as bad ones (`constant_liar`), so that two at a time are not alike. Those that the
    scheduler stopped count by their last validation.
    """

    def __init__(self, space: Space, draws: random.Random, planned: int, *, low: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        at_random = max(1, min(_BEFORE_TPE, planned // 3))
        seed = draws.getrandbits(31)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=at_random, constant_liar=True)
        self._space, self._draws = space, draws
        self._study = optuna.create_study(direction="minimize" if low else "maximize", sampler=sampler)
        self._drawn, self._known = set[str](), set[str]()
        self._running: dict[str, int] = {}
        self.is_exhausted = False

    def ask(self) -> Values | None:
        """Returns the values that TPE chooses, or others at random where it clings to those that were tried.

        None where none is found that was not tried.
        """
        import optuna

        for _ in range(_TRIES):
            trial = self._study.ask()
            values: dict[str, Any] = {}
            for parameter in self._space.parameters:
                if parameter.counts(values):
                    values[parameter.key] = _suggested(trial, parameter)
            if name_of(values) not in self._drawn:
                self._note(values, trial.number)
                return values
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        other = another(self._space, self._drawn, self._draws)
        if other is not None:
            self.begin(other)
        self.is_exhausted = other is None
        return other

    def begin(self, values: Values) -> None:
        """Takes note that a point is running, whose values were not asked for here."""
        self._study.enqueue_trial(self._params(values))
        trial = self._study.ask()
        for parameter in self._space.parameters:
            if parameter.key in values:
                _suggested(trial, parameter)
        self._note(values, trial.number)

    def tell(self, point: Tried) -> None:
        """Adds what a point reached; one that failed is left out, since it says nothing of its values."""
        import optuna

        number = self._running.pop(name_of(point.values), None)
        if number is not None:
            self._study.tell(number, state=optuna.trial.TrialState.FAIL)
        self._drawn.add(name_of(point.values))
        score = point.score if point.progress is Progress.finished else next(iter(point.curve[-1:]), None)
        if point.progress not in _ENDED or score is None or math.isnan(score) or name_of(point.values) in self._known:
            return
        self._known.add(name_of(point.values))
        by_key = {parameter.key: parameter for parameter in self._space.parameters}
        self._study.add_trial(
            optuna.trial.create_trial(
                params=self._params(point.values),
                distributions={key: distribution_of(by_key[key]) for key in point.values},
                value=score,
            )
        )

    def _params(self, values: Values) -> dict[str, Any]:
        by_key = {parameter.key: parameter for parameter in self._space.parameters}
        return {key: as_known(by_key[key], value) for key, value in values.items()}

    def _note(self, values: Values, number: int) -> None:
        self._drawn.add(name_of(values))
        self._running[name_of(values)] = number


def _suggested(trial: optuna.trial.Trial, parameter: Parameter) -> Any:
    key = parameter.key
    if parameter.kind is Kind.choice:
        return parameter.choices[trial.suggest_categorical(key, list(range(len(parameter.choices))))]
    if parameter.kind is Kind.int:
        return trial.suggest_int(key, int(parameter.low), int(parameter.high))
    return parameter.rounded(
        trial.suggest_float(key, parameter.low, parameter.high, log=parameter.kind is Kind.loguniform)
    )


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

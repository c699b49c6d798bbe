"""How much of the differences between points each key explains: functional ANOVA by Optuna.

In: a space, and finished points. Out: a share of the variance by key, the largest first (Hutter et al. 2014). A random
forest is fitted to the scores, and its variance is split among the keys. Keys that only some points have are left out,
since a point without a value says nothing of them, and keys at which all points have one value. Points of the same
settings are one, since the second repeats the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.sweeps.journal import Progress, Tried
from engine.sweeps.search import as_known, distinct, distribution_of
from engine.sweeps.space import Parameter, Space, name_of

LEAST_POINTS = 8
"""Of fewer finished points of different settings nothing is said: a forest finds something in any noise."""
_SEED = 0


def importance(space: Space, tried: Sequence[Tried]) -> dict[str, float]:
    """Computes the share of each key, together 1; empty where there are too few points, or the keys explain nothing."""
    points = distinct([point for point in tried if point.progress is Progress.finished])
    finished = [point for point in points if point.score is not None and math.isfinite(point.score)]
    keys = [parameter for parameter in space.parameters if not parameter.when and _differs(parameter, finished)]
    if len(finished) < LEAST_POINTS or len({point.score for point in finished}) < 2 or not keys:
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()  # the direction does not matter to a variance
    for point in finished:
        params = {parameter.key: as_known(parameter, point.values[parameter.key]) for parameter in keys}
        distributions = {parameter.key: distribution_of(parameter) for parameter in keys}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=point.score))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=_SEED)
    try:
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    except RuntimeError as error:
        if "zero total variance" in str(error):  # the scores differ by less than floats can square
            return {}
        raise
    return dict(sorted(shares.items(), key=lambda entry: -entry[1]))


def _differs(parameter: Parameter, points: Sequence[Tried]) -> bool:
    """Tells whether points have different values of a key."""
    return len({name_of({"value": point.values[parameter.key]}) for point in points}) > 1

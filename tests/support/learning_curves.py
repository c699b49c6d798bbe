"""Made figures of a learning curve: quality that rises up to 200 examples and stays there."""

from __future__ import annotations

import numpy as np

from eval.learning_curve.figures import Effort, LearningCurve, SetCurves, system_curve
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap
from eval.sweeps.measuring import MEASURED

COUNTS = (0, 100, 200, 400)
BOOTSTRAP = Bootstrap(300, seed=1)
CLUSTERS = [f"d{number // 2}" for number in range(120)]


def made_values(means: tuple[float, ...], noise: float = 0.02, seeds: int = 3) -> list[dict[str, Floats]]:
    """What each query reaches with each training, around these means; the first is that of the base."""
    rng = np.random.default_rng(0)
    hardness = rng.normal(0, 0.1, len(CLUSTERS))
    values = []
    for at, mean in enumerate(means):
        column = mean + hardness + rng.normal(0, noise, (seeds if at else 1, len(CLUSTERS)))
        values.append(dict.fromkeys(MEASURED, column))
    return values


def made_learning_curve(*, judged: bool = True, noise: float = 0.02) -> LearningCurve:
    """Figures of three numbers of examples."""
    curves = {
        "tuned": system_curve(made_values((0.4, 0.45, 0.5, 0.5), noise), CLUSTERS, BOOTSTRAP),
        "tuned_words": system_curve(made_values((0.5, 0.52, 0.54, 0.54), noise), CLUSTERS, BOOTSTRAP),
    }
    efforts = [Effort(count / 400, count, 2 * count, 0.5 * count, 0.1 * count) for count in COUNTS]
    names = ("judged", "held_out") if judged else ("held_out",)
    sets = {name: SetCurves(name, 120, 60, 0.35, curves) for name in names}
    return LearningCurve(efforts, 3, 0.5, "CPU", "tiny" if judged else "", sets)

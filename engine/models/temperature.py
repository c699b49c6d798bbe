"""The temperature of a classifier: what scores are divided by, so that probabilities are as often right as they say.

In: scores and labels of texts that the classifier was not trained on. Out: one number (Guo et al. 2017, "On Calibration
of Modern Neural Networks"). Training finds the one that the model keeps, and the report those that it measures with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.text.hashes import Floats

_LOWEST, _HIGHEST = 0.05, 20.0
"""Temperatures are looked for between these."""


def fit_temperature(scores: Floats, labels: NDArray[np.bool_], *, several: bool) -> float:
    """Finds the number by which scores are divided so that the labels are likeliest; 1 without texts.

    Args:
        scores: of the labels, (texts, labels).
        labels: which of them each text has, of the same shape.
        several: whether each label is a question by itself; else each text has one.
    """
    if not len(scores):
        return 1.0
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        divided = scores / np.exp(log_temperature)
        if several:
            return float(np.logaddexp(0.0, np.where(labels, -divided, divided)).mean())
        return float((np.logaddexp.reduce(divided, axis=1) - divided[labels]).mean())

    found = minimize_scalar(loss, bounds=(np.log(_LOWEST), np.log(_HIGHEST)), method="bounded")
    return round(float(np.exp(found.x)), 4)

"""The temperature makes probabilities as often right as they say."""

from __future__ import annotations

import numpy as np
import pytest

from engine.models.temperature import fit_temperature


@pytest.mark.parametrize("several", [False, True])
def test_it_undoes_what_made_scores_too_sure(several: bool) -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(20_000, 3))
    if several:
        labels = rng.random(honest.shape) < 1 / (1 + np.exp(-honest))
    else:
        powers = np.exp(honest)
        drawn = (rng.random((len(honest), 1)) > np.cumsum(powers / powers.sum(axis=1, keepdims=True), axis=1)).sum(
            axis=1
        )
        labels = np.arange(3) == drawn[:, None]
    assert fit_temperature(4 * honest, labels, several=several) == pytest.approx(4, rel=0.05)


def test_without_texts_scores_are_left_as_they_are() -> None:
    assert fit_temperature(np.zeros((0, 3)), np.zeros((0, 3), np.bool_), several=False) == 1.0


def test_it_stays_between_its_ends() -> None:
    sure = np.array([[9.0, 0.0], [0.0, 9.0]])
    assert 0.05 <= fit_temperature(sure, sure > 1, several=False) < 0.5
    assert fit_temperature(sure, sure < 1, several=False) == pytest.approx(20, rel=0.01), "never right"

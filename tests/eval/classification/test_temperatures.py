"""Held-out texts are calibrated by a temperature that they took no part in finding."""

from __future__ import annotations

import numpy as np
import pytest

from engine.models.temperature import fit_temperature
from eval.classification.measure import measure_labels
from eval.classification.temperatures import FEWEST, crossfit
from eval.significance import Bootstrap
from tests.support.written_classifier import TRAINED, Written, encode, many_texts

COUNT = 400


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Scores that are three times too sure, and which of two labels each text has."""
    rng = np.random.default_rng(1)
    honest = rng.normal(size=COUNT)
    is_first = rng.random(COUNT) < 1 / (1 + np.exp(-honest))
    return 3 * np.stack([honest, np.zeros(COUNT)], axis=1), np.stack([is_first, ~is_first], axis=1)


def test_each_half_is_divided_by_what_the_other_half_gives() -> None:
    scores, truth = drawn()
    documents = [f"d{number // 2}" for number in range(COUNT)]
    found = crossfit(scores, truth, documents, several=False)
    assert found is not None
    assert (found.half_of.reshape(-1, 2) == found.half_of[::2, None]).all(), "a document is in one half"
    for half in (0, 1):
        others = found.half_of != half
        assert found.temperatures[half] == fit_temperature(scores[others], truth[others], several=False)
    assert found.temperatures == pytest.approx((3, 3), rel=0.4)
    assert found.temperatures[0] != found.temperatures[1]
    assert set(found.by_text().ravel().tolist()) == set(found.temperatures)


def test_labels_that_the_model_does_not_know_say_nothing_and_a_few_texts_tell_nothing() -> None:
    scores, truth = drawn()
    documents = [f"d{number}" for number in range(COUNT)]
    assert crossfit(scores[:FEWEST], truth[:FEWEST], documents[:FEWEST], several=False) is None
    unknown = truth.copy()
    unknown[FEWEST:] = False
    assert crossfit(scores, unknown, documents, several=False) is None
    assert crossfit(scores, unknown, documents, several=True) is not None


def test_the_models_own_temperature_calibrates_no_texts_that_it_was_found_on() -> None:
    scores, truth = drawn()
    labels = [["x"] if is_first else ["y"] for is_first, _ in truth]
    model = Written(scores.tolist(), temperature=100.0)
    held_out = measure_labels(many_texts(labels), TRAINED, model, encode, Bootstrap(20))
    of_file = measure_labels(many_texts(labels, trained_on=7), TRAINED, model, encode, Bootstrap(20))
    assert held_out is not None
    assert of_file is not None
    assert held_out.calibration["after"].ece < held_out.calibration["before"].ece
    assert (len(held_out.temperatures), held_out.temperature, held_out.trained_on) == (2, 100.0, 0)
    assert (of_file.temperatures, of_file.trained_on) == ((), 7)
    assert of_file.calibration["after"].ece > held_out.calibration["after"].ece, "a temperature of 100 is no good one"
    assert held_out.systems["tuned"] == of_file.systems["tuned"], "which label is given does not depend on it"

"""Bins are those of scikit-learn, and so is Brier's score; the calibration error is the mean distance over the bins."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from eval.classification.calibration import NUM_BINS, calibration, calibration_bins, expected_error, sigmoid, softmax

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (300, 4))


def test_bins_are_those_of_scikit_learn() -> None:
    confidences = RNG.random(500)
    right = RNG.random(500) < confidences**2
    bins = calibration_bins(confidences, right)
    shares, means = calibration_curve(right, confidences, n_bins=NUM_BINS, strategy="uniform")
    np.testing.assert_allclose([each.right for each in bins], shares)
    np.testing.assert_allclose([each.confidence for each in bins], means)
    assert sum(each.count for each in bins) == 500
    weights = np.array([each.count for each in bins]) / 500
    assert expected_error(bins) == pytest.approx(float(weights @ np.abs(shares - means)))


def test_a_hand_made_case() -> None:
    bins = calibration_bins(np.array([0.95, 0.95, 0.55]), np.array([True, False, True]))
    assert [(each.count, each.right) for each in bins] == [(1, 1.0), (2, 0.5)]
    assert expected_error(bins) == pytest.approx((1 * 0.45 + 2 * 0.45) / 3)
    assert expected_error([]) == 0


def test_brier_is_that_of_scikit_learn() -> None:
    probabilities, labels = softmax(LOGITS), RNG.integers(0, 4, 300)
    truth = np.eye(4, dtype=np.bool_)[labels]
    expected = brier_score_loss(labels, probabilities, labels=[0, 1, 2, 3], scale_by_half=False)
    measured = calibration(probabilities, truth, several=False)
    assert measured.brier == pytest.approx(expected)
    assert sum(each.count for each in measured.bins) == 300, "one decision for each text"
    several = calibration(sigmoid(LOGITS), truth, several=True)
    assert several.brier == pytest.approx(brier_score_loss(truth.ravel(), sigmoid(LOGITS).ravel()))
    assert sum(each.count for each in several.bins) == 1200, "one for each label of each text"


def test_a_model_that_knows_how_sure_it_is_has_no_error_and_a_sharper_one_has() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1.5, (20_000, 3))
    labels = (softmax(logits).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    truth = np.eye(3, dtype=np.bool_)[labels]
    assert calibration(softmax(logits), truth, several=False).ece < 0.01
    assert calibration(softmax(3 * logits), truth, several=False).ece > 0.1


def test_large_logits_overflow_nowhere() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0]])), [[1, 0]])
    np.testing.assert_allclose(sigmoid(np.array([[1e4, -1e4]])), [[1, 0]])

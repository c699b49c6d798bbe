"""Accuracy, F1 and the matrix are those of scikit-learn, for one label and for several; intervals are by document."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from eval.classification.calibration import Flags
from eval.classification.figures import confusion, label_figures, levels_of
from eval.significance import Bootstrap

RNG = np.random.default_rng(0)
ALONE = [str(number) for number in range(120)]


def one_label(labels: list[int], count: int = 4) -> Flags:
    return np.eye(count, dtype=np.bool_)[labels]


TRUE = RNG.integers(0, 3, 120).tolist()
GIVEN = [label if RNG.random() < 0.7 else int(RNG.integers(0, 3)) for label in TRUE]


def test_metrics_of_one_label_are_those_of_scikit_learn() -> None:
    truth, given = one_label(TRUE), one_label(GIVEN)  # nothing has the fourth label, so that it does not count
    levels = levels_of(truth, given, ALONE, Bootstrap(200)).metrics
    assert levels["accuracy"].mean == pytest.approx(accuracy_score(TRUE, GIVEN))
    assert levels["macro_f1"].mean == pytest.approx(f1_score(TRUE, GIVEN, average="macro"))
    assert levels["micro_f1"].mean == pytest.approx(accuracy_score(TRUE, GIVEN))
    low, high = levels["accuracy"].figures().ci95
    spread = 1.98 * np.sqrt(levels["accuracy"].mean * (1 - levels["accuracy"].mean) / 119)
    assert (high - low) / 2 == pytest.approx(spread, rel=0.12)


def test_metrics_of_several_labels_are_those_of_scikit_learn() -> None:
    truth, given = RNG.random((120, 5)) < 0.4, RNG.random((120, 5)) < 0.4
    truth[:, 4] = given[:, 4] = False
    levels = levels_of(truth, given, ALONE, Bootstrap(50), several=True).metrics
    assert levels["accuracy"].mean == pytest.approx(accuracy_score(truth, given)), "all labels of a text are right"
    assert levels["micro_f1"].mean == pytest.approx(f1_score(truth, given, average="micro"))
    assert levels["macro_f1"].mean == pytest.approx(f1_score(truth, given, average="macro", zero_division=0))


def test_resamples_are_those_of_whole_documents() -> None:
    truth, given = one_label(TRUE), one_label(GIVEN)
    documents = [f"{number // 6:02d}" for number in range(120)]
    levels = levels_of(truth, given, documents, Bootstrap(2000)).metrics["macro_f1"]
    rng, draws = np.random.default_rng(3), []
    for _ in range(500):
        rows = np.concatenate([np.arange(6 * group, 6 * group + 6) for group in rng.integers(20, size=20)])
        draws.append(f1_score(np.array(TRUE)[rows], np.array(GIVEN)[rows], average="macro"))
    assert levels.clusters == 20
    assert levels.means.std() == pytest.approx(np.std(draws), rel=0.12)


def test_differences_are_paired() -> None:
    truth, given = one_label(TRUE), one_label(GIVEN)
    tuned = levels_of(truth, truth, ALONE, Bootstrap(500))
    other = levels_of(truth, given, ALONE, Bootstrap(500))
    difference = tuned.minus(other)["accuracy"]
    assert difference.mean == pytest.approx(1 - accuracy_score(TRUE, GIVEN))
    assert difference.low > 0
    assert other.minus(other)["macro_f1"].ci95 == (0, 0)


def test_figures_by_label_and_the_matrix() -> None:
    truth, given = one_label([0, 0, 1, 2], 3), one_label([0, 1, 1, 1], 3)
    figures = label_figures(["a", "b", "c"], truth, given)
    assert (figures["a"].precision, figures["a"].recall, figures["a"].support) == (1.0, 0.5, 2)
    assert (figures["b"].precision, figures["b"].f1) == (pytest.approx(1 / 3), 0.5)
    assert (figures["c"].precision, figures["c"].recall, figures["c"].f1) == (0, 0, 0)
    assert confusion(truth, given) == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


def test_an_only_label_is_one_label() -> None:
    truth, given = np.array([[True], [False], [True]]), np.array([[True], [True], [False]])
    figures = label_figures(["toxic"], truth, given)
    assert list(figures) == ["toxic"]
    assert (figures["toxic"].precision, figures["toxic"].recall, figures["toxic"].support) == (0.5, 0.5, 2)

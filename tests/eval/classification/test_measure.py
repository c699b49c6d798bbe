"""A classifier is measured beside plain rules; mistakes are listed, and labels that it does not know are mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UserError
from eval.classification.measure import measure_labels
from eval.significance import Bootstrap
from tests.support.written_classifier import TRAINED, Written, encode, texts_with


def test_one_label_for_a_text() -> None:
    model = Written([[4, 0], [0, 4], [0, 2], [3, 0], [0, 6], [1, 0]], temperature=2.0)
    truth = [["x"], ["y"], ["y"], ["x"], ["x"], ["z"]]
    figures = measure_labels(texts_with(truth), TRAINED, model, encode, Bootstrap(100))
    assert figures is not None
    assert (figures.texts, figures.of, figures.documents, list(figures.labels)) == (6, 60, 5, ["x", "y", "z"])
    assert figures.systems["tuned"]["accuracy"] == pytest.approx(4 / 6)
    assert figures.systems["majority"]["accuracy"] == pytest.approx(3 / 6)
    assert figures.confusion == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert figures.by_label["z"].recall == 0
    assert figures.difference["majority"]["accuracy"].mean == pytest.approx(1 / 6)
    assert [(item.text, item.labels, item.given) for item in figures.wrong] == [
        ("e", ["x"], ["y"]),
        ("f", ["z"], ["x"]),
    ]
    assert figures.wrong[0].confidence == pytest.approx(1 / (1 + np.exp(-3)))
    assert figures.temperature == 2.0
    assert figures.calibration["before"].brier != figures.calibration["after"].brier
    assert max(each.confidence for each in figures.calibration["before"].bins) > max(
        each.confidence for each in figures.calibration["after"].bins
    )


def test_several_labels_for_a_text() -> None:
    model = Written([[2, 1], [-2, 2], [-1, -3], [3, -1]], several=True)
    figures = measure_labels(texts_with([["x", "y"], ["y"], ["x"], []]), TRAINED, model, encode, Bootstrap(100))
    assert figures is not None
    assert figures.several
    assert figures.systems["tuned"]["accuracy"] == 0.5
    assert figures.systems["tuned"]["micro_f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert figures.confusion == ()
    assert [item.text for item in figures.wrong] == ["d", "c"], "how sure it is decides the order"


def test_texts_that_the_classifier_cannot_be_right_about_are_refused() -> None:
    with pytest.raises(
        UserError, match="1 texts have no label or several, and the classifier gives each text one: 'b'"
    ):
        measure_labels(texts_with([["x"], ["x", "y"]]), TRAINED, Written([[1, 0]] * 2), encode, Bootstrap(10))
    assert measure_labels(texts_with([]), TRAINED, Written([]), encode, Bootstrap(10)) is None

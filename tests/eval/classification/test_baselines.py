"""The plain rules give what they say: the most common labels, and those of the nearest mean vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.classification.baselines import Labelled, most_common, nearest_centroid

PLACES = {
    "north": [0.0, 1.0],
    "far north": [0.0, 5.0],
    "east": [1.0, 0.0],
    "east too": [2.0, 0.2],
    "between": [1.0, 0.9],
}


def encode(texts: Sequence[str]) -> np.ndarray:
    return np.array([PLACES[text] for text in texts], np.float32)


TRAINED = Labelled(["north", "far north", "east"], [["n"], ["n"], ["e"]])


def test_the_most_common_labels() -> None:
    assert most_common(TRAINED, ["e", "n", "x"], 2).tolist() == [[False, True, False]] * 2
    several = Labelled(["a", "b", "c"], [["n", "e"], ["e", "n"], []])
    assert most_common(several, ["e", "n"], 1).tolist() == [[True, True]]
    assert most_common(Labelled(["a"], [[]]), ["e"], 1).tolist() == [[False]], "no label may be the most common"
    assert most_common(Labelled([], []), ["e"], 1).tolist() == [[False]]


def test_the_nearest_mean_vector_of_unit_vectors() -> None:
    given = nearest_centroid(TRAINED, ["e", "n", "never"], ["east too", "north", "between"], encode)
    assert given.tolist() == [[True, False, False], [False, True, False], [True, False, False]]


def test_of_several_labels_as_many_as_a_text_has_on_average() -> None:
    several = Labelled(["north", "east", "between"], [["n", "high"], ["e", "high"], ["n", "e"]])
    given = nearest_centroid(several, ["n", "e", "high"], ["north"], encode)
    assert given.sum() == 2
    assert given[0, 0], "and the nearest is among them"
    nothing = nearest_centroid(Labelled(["north"], [[]]), ["n"], ["north"], encode)
    assert not nothing.any()

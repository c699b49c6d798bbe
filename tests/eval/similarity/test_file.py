"""Graded pairs of a file are measured without those that were trained on, and that is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.artifacts.forms import Form
from eval.similarity.file import TRAINED_ON, similarity_of_file
from eval.similarity.measure import SIMILARITY
from tests.support.given import graded_rows, write_given
from tests.support.places import printed, quiet_place
from tests.support.small_run import small_config


def test_pairs_that_share_a_text_with_training_are_counted_out(tmp_path: Path) -> None:
    """The file holds out every second of its pairs; two of those were trained on."""
    rows, other = graded_rows(20), graded_rows(30)[20:]
    inputs = {
        SIMILARITY: write_given(tmp_path / "file", Form.graded, rows),
        "examples": write_given(tmp_path / "examples", Form.graded, other),
    }
    place = quiet_place(tmp_path)
    scorers = {name: lambda firsts, _: np.arange(len(firsts), dtype=np.float64) for name in ("base", "tuned")}
    unseen = similarity_of_file(small_config(), inputs, scorers, place)
    assert unseen is not None
    assert (unseen.pairs, unseen.trained_on, printed(place)) == (10, 0, "")
    inputs[TRAINED_ON] = write_given(tmp_path / "mixed", Form.graded, [rows[1], other[0], rows[3]])
    seen = similarity_of_file(small_config(), inputs, scorers, place)
    assert seen is not None
    assert (seen.pairs, seen.of, seen.trained_on) == (8, 8, 2)
    assert "report.similarity measures without" in " ".join(printed(place).split())

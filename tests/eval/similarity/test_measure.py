"""Graded pairs are scored by the cosine of vectors, or by the sigmoid of a cross-encoder's logit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import Form
from engine.search.cross_encoder import CrossEncoder, CrossEncoderConfig
from engine.search.encoder import Encoder, EncoderConfig
from eval.significance import Bootstrap
from eval.similarity.measure import cosines, measure_similarity, probabilities
from tests.support.given import graded_rows, write_given
from tests.support.models import write_cross_encoder


def test_scores_of_both_families(tmp_path: Path) -> None:
    cross = write_cross_encoder(tmp_path)
    encoder = Encoder(EncoderConfig(str(tmp_path / "base" / "encoder"), "", "", 32), device="cpu")
    firsts, seconds = ["word1 word2", "word3"], ["word1 word2", "word9 word7"]
    score = cosines(encoder)(firsts, seconds)
    left, right = encoder.encode_queries(firsts), encoder.encode_passages(seconds)
    assert score[0] == pytest.approx(1.0, abs=1e-6)
    assert score[1] == pytest.approx(left[1] @ right[1] / np.linalg.norm(left[1]) / np.linalg.norm(right[1]), abs=1e-6)
    model = CrossEncoder(CrossEncoderConfig(str(cross)))
    expected = 1 / (1 + np.exp(-model.score(firsts, seconds).astype(np.float64)))
    np.testing.assert_allclose(probabilities(model)(firsts, seconds), expected)


def test_held_out_pairs_or_all_of_a_file(tmp_path: Path) -> None:
    folder = ExamplesFolder(write_given(tmp_path / "graded", Form.graded, graded_rows(40)))
    scorers = {name: lambda firsts, _: np.arange(len(firsts), dtype=np.float64) for name in ("base", "tuned")}
    held_out = measure_similarity(folder, "validation", scorers, 0, Bootstrap(50))
    everything = measure_similarity(folder, "", scorers, 10, Bootstrap(50))
    assert held_out is not None
    assert everything is not None
    assert (held_out.pairs, held_out.of, everything.pairs, everything.of) == (20, 20, 10, 40)
    assert measure_similarity(folder, "test", scorers, 0, Bootstrap(50)) is None

"""The factor of scores: one that fits the similarity, unless the config says another."""

from __future__ import annotations

from pathlib import Path

import pytest
from sentence_transformers.sentence_transformer.modules import Normalize

from tests.support.training import load, make_config
from training.scale import softmax_scale


@pytest.mark.parametrize(
    ("similarity", "is_normalised", "configured", "scale"),
    [("cosine", False, None, 20.0), ("dot", False, None, 1.0), ("dot", True, None, 20.0), ("dot", False, 5.0, 5.0)],
)
def test_the_scale_fits_the_similarity(
    base: Path, similarity: str, is_normalised: bool, configured: float | None, scale: float
) -> None:
    model = load(make_config(base))
    model.similarity_fn_name = similarity
    if is_normalised:
        model.append(Normalize())
    assert softmax_scale(make_config(base, scale=configured), model) == scale

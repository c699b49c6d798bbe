"""The systems of a report have the names and the settings that it says."""

from __future__ import annotations

from pathlib import Path

from eval.report import with_words
from eval.retrieval.corpus import SYSTEMS
from eval.systems import describe, tuned_encoder
from tests.support.small_run import small_config


def test_the_tuned_model_is_read_like_the_base() -> None:
    base = small_config().encoder
    tuned = tuned_encoder(base, Path("/some/model"))
    assert tuned.model == "/some/model"
    assert tuned.max_tokens == base.max_tokens


def test_names_in_words() -> None:
    assert [describe(name) for name in SYSTEMS] == ["BM25", "base", "tuned"]
    assert describe(with_words("tuned")) == "tuned + words"

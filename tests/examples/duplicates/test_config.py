"""Settings of the search for duplicates that make no sense are refused."""

import pytest

from engine.errors import UserError
from engine.examples.duplicates.config import DedupConfig


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.5])
def test_a_threshold_is_a_similarity(threshold: float) -> None:
    with pytest.raises(UserError, match=rf"examples.dedup.threshold={threshold}: {threshold} is no Jaccard"):
        DedupConfig(threshold=threshold)
    assert DedupConfig(threshold=1.0).threshold == 1.0


@pytest.mark.parametrize("name", ["shingle_characters", "bands", "rows_per_band"])
def test_an_empty_signature_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"examples.dedup.{name}=0: 0 is too few; set it to at least 1"):
        DedupConfig(**{name: 0})  # type: ignore[arg-type]

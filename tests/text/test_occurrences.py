"""Equal keys are counted as they come, whatever calls they come in."""

from collections import Counter

import numpy as np
import pytest

from engine.text.occurrences import Occurrences


@pytest.mark.parametrize("chunk", [1, 7, 64, 5000])
@pytest.mark.parametrize("different", [1, 50, 100_000])
def test_keys_are_counted_over_all_calls(chunk: int, different: int) -> None:
    keys = np.random.default_rng(chunk).integers(different, size=min(5000, 400 * chunk)).astype(np.uint64)
    seen: Counter[int] = Counter()
    plain = []
    for key in keys.tolist():
        plain.append(seen[key])
        seen[key] += 1
    counted = Occurrences()
    parts = [counted.count(keys[start : start + chunk]) for start in range(0, len(keys), chunk)]
    assert np.concatenate(parts).tolist() == plain


def test_what_was_seen_lies_in_few_pieces() -> None:
    """A piece per call would make counting quadratic in the calls."""
    counted = Occurrences()
    for start in range(0, 20_000, 20):
        assert not counted.count(np.arange(start, start + 20, dtype=np.uint64)).any()
    assert len(counted._pieces) <= 11, "a thousand calls, and sizes that double"
    assert counted.count(np.empty(0, np.uint64)).tolist() == []

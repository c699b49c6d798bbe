"""Near duplicates are found whatever the order, and they are those that a plain comparison of all pairs finds."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.examples.duplicates.config import DedupConfig
from engine.examples.duplicates.exact import normalise
from engine.examples.duplicates.minhash import near_duplicates, sign
from engine.examples.duplicates.shingles import jaccard, shingle

WORDS = ("heat", "wing", "flow", "jet", "cone", "shock", "wake", "drag", "panel", "tail", "nozzle", "layer", "speed")


def plain_near_duplicates(ids: NDArray[np.int64], texts: list[str], config: DedupConfig) -> NDArray[np.int64]:
    """All pairs, sets of strings, and chains followed one by one."""
    width = config.shingle_characters
    folded = [text.ljust(width) for text in normalise(texts).to_pylist()]
    sets = [{text[i : i + width] for i in range(len(text) - width + 1)} for text in folded]
    kept = list(ids)
    changed = True
    while changed:
        changed = False
        for a, b in itertools.combinations(range(len(ids)), 2):
            if len(sets[a] & sets[b]) / len(sets[a] | sets[b]) >= config.threshold and kept[a] != kept[b]:
                kept[a] = kept[b] = min(kept[a], kept[b])
                changed = True
    return np.array(kept)


def some_queries(count: int, seed: int) -> tuple[NDArray[np.int64], list[str]]:
    """Queries with near duplicates at all distances."""
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    for _ in range(count):
        if texts and rng.random() < 0.5:
            words = texts[rng.integers(len(texts))].split()
            for _ in range(rng.integers(1, 4)):
                words[rng.integers(len(words))] = str(rng.choice(WORDS))
            texts.append(" ".join(words))
        else:
            texts.append("what is the " + " ".join(rng.choice(WORDS, size=rng.integers(2, 12))))
    return rng.permutation(10 * count)[:count], texts


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("seed", [0, 1])
def test_near_duplicates_are_those_of_the_plain_twin(threshold: float, seed: int) -> None:
    ids, texts = some_queries(300, seed)
    # Many short bands find pairs of any similarity, so that only the comparison decides.
    config = DedupConfig(threshold=threshold, bands=64, rows_per_band=2)
    originals = near_duplicates(ids, texts, config)
    assert (originals != ids).any()
    assert (originals == plain_near_duplicates(ids, texts, config)).all()


def test_the_default_bands_miss_next_to_nothing() -> None:
    ids, texts = some_queries(400, 2)
    originals, plain = near_duplicates(ids, texts), plain_near_duplicates(ids, texts, DedupConfig())
    is_copy = originals != ids
    assert (originals == plain).mean() > 0.99
    assert (plain[is_copy] != ids[is_copy]).all(), "nothing is rejected that has no near duplicate"


def test_order_and_threads_change_nothing() -> None:
    ids, texts = some_queries(500, 3)
    texts[7] = texts[3].upper()
    originals = dict(zip(ids, near_duplicates(ids, texts), strict=True))
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(ids))
        shuffled = near_duplicates(ids[order], [texts[row] for row in order])
        assert dict(zip(ids[order], shuffled, strict=True)) == originals
    threaded = near_duplicates(ids, texts, num_threads=3)
    assert (threaded == near_duplicates(ids, texts)).all()


def test_the_lowest_id_of_a_cluster_stays() -> None:
    ids, texts = some_queries(300, 4)
    kept = near_duplicates(ids, texts)
    assert (kept <= ids).all()
    assert set(kept) <= set(ids)
    position = {sample_id: row for row, sample_id in enumerate(ids)}
    assert all(kept[position[stays]] == stays for stays in set(kept)), "who stands for others is kept itself"


def test_a_bucket_larger_than_the_window_is_one_cluster() -> None:
    ids = np.arange(200)
    texts = [f"what is the boiling point of water at the sea level in town{' ' * (i % 3)} {i % 10}" for i in ids]
    assert set(near_duplicates(ids, texts)) == {0}


def test_short_empty_and_no_texts() -> None:
    ids = np.arange(5)
    assert near_duplicates(ids, ["a", "", "b", "?", "a"]).tolist() == [0, 1, 2, 1, 0]
    assert len(near_duplicates(ids[:0], [])) == 0


def test_scripts_without_spaces() -> None:
    texts = ["\u6771\u4eac\u306e\u4eba\u53e3\u306f\u4f55\u4eba\u3067\u3059\u304b", "\u4eac\u90fd\u306e\u6b74\u53f2"]
    assert near_duplicates(np.arange(3), [*texts, texts[0] + "\u3002"]).tolist() == [0, 1, 0]


def test_minhash_estimates_jaccard() -> None:
    _, texts = some_queries(200, 6)
    shingles = shingle(normalise(texts), 4)
    sketch = sign(shingles, DedupConfig(bands=200, rows_per_band=5)).sketch
    left, right = (np.array(side) for side in zip(*itertools.combinations(range(0, 200, 4), 2), strict=True))
    error = (sketch[left] == sketch[right]).mean(axis=1) - jaccard(shingles, left, right)
    assert np.abs(error).max() < 0.08  # five standard deviations of 1,000 permutations
    assert abs(error.mean()) < 0.01


def test_ids_must_be_unique() -> None:
    with pytest.raises(AssertionError, match="ids are not unique"):
        near_duplicates(np.array([1, 1]), ["a", "b"])

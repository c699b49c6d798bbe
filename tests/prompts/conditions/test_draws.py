"""Draws from hashes: shares follow weights, and an added value takes from the others without moving them."""

import math
from collections import Counter

import numpy as np
import pytest

from engine.prompts.conditions.draws import SHORT_LIST, Choice, Drawn, jump, rendezvous
from engine.text.hashes import Hashes, mix, text_hashes, uniform

KEYS: Hashes = mix(np.arange(40_000, dtype=np.uint64), 7, 1)
COUNT = len(KEYS)


def choice(count: int, weights: list[float] | None = None) -> Choice:
    return Choice([f"v{number}" for number in range(count)], weights or [1.0] * count)


def chi_square(codes: np.ndarray, shares: list[float]) -> float:
    """In standard deviations from what a fair draw gives."""
    counts = np.bincount(codes, minlength=len(shares))
    expected = np.array(shares) * len(codes)
    freedom = len(shares) - 1
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom))


@pytest.mark.parametrize(
    "weights", [[1.0, 1.0], [3.0, 1.0], [0.8, 0.2], [1.0, 10.0, 100.0], [1.0] * 64, [1.0] * 1500, [1.0, 2.0] * 50]
)
def test_shares_are_weights(weights: list[float]) -> None:
    drawn = choice(len(weights), weights).indices(KEYS)
    assert abs(chi_square(drawn, [weight / sum(weights) for weight in weights])) < 5


@pytest.mark.parametrize("count", [1, 2, 5, SHORT_LIST - 1, SHORT_LIST + 1, 1500])
def test_an_added_value_moves_only_those_who_draw_it(count: int) -> None:
    before, after = choice(count).indices(KEYS), choice(count + 1).indices(KEYS)
    assert set(after[before != after]) == {count}
    assert abs(np.mean(before != after) - 1 / (count + 1)) < 0.01


def test_an_added_weighted_value_moves_only_those_who_draw_it() -> None:
    before, after = choice(2, [3.0, 1.0]).indices(KEYS), choice(3, [3.0, 1.0, 4.0]).indices(KEYS)
    assert set(after[before != after]) == {2}
    assert abs(np.mean(after == 2) - 0.5) < 0.02


def test_the_order_of_a_short_list_does_not_matter() -> None:
    first, second = Choice(["a", "b", "c"], [1.0, 2.0, 3.0]), Choice(["c", "a", "b"], [3.0, 1.0, 2.0])
    assert first.draw(KEYS).column() == second.draw(KEYS).column()


def test_equal_weights_need_no_logarithm() -> None:
    hashes = text_hashes(["a", "b", "c"])
    nearly = rendezvous(KEYS, hashes, np.array([1.0, 1.0, 1.0 + 1e-12]))
    assert np.array_equal(rendezvous(KEYS, hashes, np.ones(3)), nearly)


def plain_jump(key: int, count: int) -> int:
    """As printed in Lamping & Veach 2014."""
    index, candidate = -1, 0
    while candidate < count:
        index = candidate
        key = (key * 2862933555777941757 + 1) % 2**64
        candidate = int((index + 1) * (float(1 << 31) / float((key >> 33) + 1)))
    return index


@pytest.mark.parametrize("count", [1, 2, 65, 1500, 100_000])
def test_jump_is_that_of_the_paper(count: int) -> None:
    assert jump(KEYS[:500], count).tolist() == [plain_jump(int(key), count) for key in KEYS[:500]]


def test_subsets_have_their_sizes_and_the_listed_order() -> None:
    drawn = choice(5).draw_subset(KEYS, 2, 4)
    rows = [text.split(", ") for text in drawn.column().to_pylist()]
    sizes = Counter(map(len, rows))
    assert set(sizes) == {2, 3, 4}
    assert all(abs(count / COUNT - 1 / 3) < 0.02 for count in sizes.values())
    assert all(row == sorted(set(row)) for row in rows)
    values = Counter(value for row in rows for value in row)
    assert all(abs(count / COUNT - 3 / 5) < 0.02 for count in values.values())


def test_weights_decide_who_is_in_a_subset() -> None:
    drawn = choice(3, [8.0, 1.0, 1.0]).draw_subset(KEYS, 1, 1)
    assert abs(drawn.column().to_pylist().count("v0") / COUNT - 0.8) < 0.02
    whole = choice(3).draw_subset(KEYS[:10], 3, 3)
    assert set(whole.column().to_pylist()) == {"v0, v1, v2"}
    assert "" in choice(3).draw_subset(KEYS, 0, 1).column().to_pylist()


@pytest.mark.parametrize("count", [6, 200])
def test_a_value_added_to_a_subset_moves_no_other(count: int) -> None:
    keys = KEYS[:5000]
    before, after = (choice(number).draw_subset(keys, 2, 3).column().to_pylist() for number in (count, count + 1))
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert moved
    assert all(f"v{count}" in new.split(", ") for new in moved)


def test_subsets_of_long_lists_do_not_hang_on_blocks() -> None:
    long = choice(3000)  # 699 keys at once
    whole = long.draw_subset(KEYS[:1500], 2, 2).column()
    assert long.draw_subset(KEYS[1000:1500], 2, 2).column() == whole.slice(1000)


def test_hashes_are_even_and_never_end_an_interval() -> None:
    assert 0 < uniform(np.zeros(1, np.uint64))[0] < uniform(np.full(1, 2**64 - 1, np.uint64))[0] < 1
    assert abs(chi_square((uniform(KEYS) * 100).astype(np.int64), [0.01] * 100)) < 5


def test_replaced_rows_keep_the_others() -> None:
    drawn = choice(3).draw(KEYS[:4])
    other = Choice(["x"], [1.0]).draw(KEYS[:2])
    same = Drawn(drawn.texts, np.array([2, 2]), drawn.hashes)
    rows = np.array([1, 3])
    texts = drawn.column().to_pylist()
    for new, value in ((other, "x"), (same, "v2")):
        replaced = drawn.replaced(rows, new)
        assert replaced.column().to_pylist() == [texts[0], value, texts[2], value]
        assert replaced.row_hashes().tolist() == text_hashes(replaced.column().to_pylist()).tolist()
    assert drawn.part(1, 3).column().to_pylist() == texts[1:3]
    assert len(choice(2).draw_subset(KEYS[:0], 1, 1).codes) == 0


def test_values_become_arrays_when_they_are_drawn() -> None:
    """Configs make choices to be checked: their arrays would have pyarrow import pandas before each run."""
    made = Choice(["a", "b"], [1.0, 2.0])
    assert not {"texts", "hashes"} & set(vars(made))
    assert made.draw(text_hashes(["key"])).texts.to_pylist() == ["a", "b"]

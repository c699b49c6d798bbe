"""The order of equal scores, the best of many scores, and blocks that fit the memory."""

import numpy as np
import pytest

from engine.search import order
from engine.search.order import best_positions, blank_ranking, blocks, id_ranks, kth_largest, rows_by_id


def test_rows_are_ordered_by_id_descending_by_code_point() -> None:
    ids = ["b", "d10", "a", "é", "d9", "B"]
    assert [ids[row] for row in rows_by_id(ids)] == ["é", "d9", "d10", "b", "a", "B"]


def test_the_rank_of_an_id_is_its_position_in_that_order() -> None:
    ids = ["b", "d10", "a", "é", "d9"]
    ranks = id_ranks(ids)
    assert ranks.tolist() == [3, 2, 4, 0, 1]
    assert rows_by_id(ids)[ranks].tolist() == list(range(5))


def test_repeated_ids_are_a_defect() -> None:
    with pytest.raises(AssertionError, match="'a' occurs more than once"):
        rows_by_id(["a", "b", "a"])


@pytest.mark.parametrize("k", [0, 1, 7, 40])
def test_best_positions_are_those_of_a_stable_sort(k: int) -> None:
    scores = np.random.default_rng(k).integers(-3, 4, 40).astype(np.float32)
    assert best_positions(scores, k).tolist() == sorted(range(40), key=lambda row: -scores[row])[:k]


@pytest.mark.parametrize("k", [1, 7, 40])
def test_the_kth_largest_is_that_of_a_sort(k: int) -> None:
    scores = np.random.default_rng(k).integers(-3, 4, 40).astype(np.float32)
    assert kth_largest(scores, k) == sorted(scores, reverse=True)[k - 1]


@pytest.mark.parametrize(("count", "numbers_each", "sizes"), [(10, 25, [4, 4, 2]), (3, 1_000, [1, 1, 1]), (0, 5, [])])
def test_blocks_cover_all_items_in_order(
    count: int, numbers_each: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "_BLOCK_NUMBERS", 100)
    parts = list(blocks(count, numbers_each))
    assert [part.stop - part.start for part in parts] == sizes
    assert [item for part in parts for item in range(count)[part]] == list(range(count))


def test_a_blank_ranking_has_rows_and_scores() -> None:
    rows, scores = blank_ranking(2, 3)
    assert (rows.shape, rows.dtype, scores.shape, scores.dtype) == ((2, 3), np.int64, (2, 3), np.float32)

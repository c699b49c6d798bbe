"""Groups of documents that share a text: chains are followed, and a group is on one side."""

import numpy as np
import pytest

from engine.text.groups import draw_held_out, group_documents, join, smallest_hashes


def test_join_follows_chains() -> None:
    roots = np.arange(8)
    join(roots, np.array([6, 4, 2, 7]), np.array([4, 2, 1, 6]))
    assert roots.tolist() == [0, 1, 1, 3, 1, 5, 1, 1]
    join(roots, np.array([3]), np.array([7]))
    assert roots.tolist() == [0, 1, 1, 1, 1, 5, 1, 1]


def test_groups_are_joined_through_other_documents() -> None:
    numbers, hashes = np.array([0, 1, 1, 2, 3, 4]), np.array([5, 5, 6, 6, 7, 8], np.uint64)
    assert group_documents(numbers, hashes).tolist() == [0, 0, 0, 3, 4]
    assert group_documents(np.zeros(0, np.int64), np.zeros(0, np.uint64)).tolist() == []


@pytest.mark.parametrize("seed", range(3))
def test_a_group_is_held_out_whole_whatever_the_order_of_its_documents(seed: int) -> None:
    numbers = np.repeat(np.arange(2000), 2)
    texts = np.where(np.arange(4000) % 2, numbers, numbers // 2 + 10**6).astype(np.uint64)  # neighbours share a text
    groups = group_documents(numbers, texts)
    smallest = smallest_hashes(numbers, texts, groups)
    held_out = draw_held_out(smallest, groups, seed, 0.2)
    assert 0.15 < held_out.mean() < 0.25
    assert (held_out[::2] == held_out[1::2]).all()
    backwards = numbers.max() - numbers
    groups = group_documents(backwards, texts)
    again = draw_held_out(smallest_hashes(backwards, texts, groups), groups, seed, 0.2)
    assert (again[::-1] == held_out).all()


def test_a_group_larger_than_the_share_is_trained_on() -> None:
    numbers, texts = np.arange(10), np.array([1] * 6 + [2, 3, 4, 5], np.uint64)
    groups = group_documents(numbers, texts)
    held_out = draw_held_out(smallest_hashes(numbers, texts, groups), groups, 0, 0.5)
    assert not held_out[:6].any()

"""Forward passes are cut by tokens: every row once, none beyond the bound but one that is longer alone."""

from __future__ import annotations

import pytest
import torch

from engine.models.token_batches import cut_batches


@pytest.mark.parametrize(
    ("batch_tokens", "expected"),
    [
        (1, [[3], [0], [2], [1], [4]]),
        (12, [[3], [0, 2], [1, 4]]),
        (30, [[3, 0, 2], [1, 4]]),
        (1000, [[3, 0, 2, 1, 4]]),
    ],
)
def test_a_pass_is_as_wide_as_its_longest_row(batch_tokens: int, expected: list[list[int]]) -> None:
    order, lengths = torch.tensor([3, 0, 2, 1, 4]), [10, 6, 6, 2, 0]
    assert [rows.tolist() for rows in cut_batches(order, lengths, batch_tokens)] == expected


def test_nothing_is_cut_into_nothing() -> None:
    assert list(cut_batches(torch.tensor([], dtype=torch.int64), [], 8)) == []


def test_texts_without_a_token_share_a_pass() -> None:
    assert [len(rows) for rows in cut_batches(torch.arange(5), [0] * 5, 2)] == [2, 2, 1]

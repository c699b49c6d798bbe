"""The columns of a batch: texts with their prefixes, and labels without."""

from __future__ import annotations

import pytest

from engine.search.usage import Similarity, Usage
from training.batches.columns import candidate_columns, prefixes

USAGE = Usage("q: ", "p: ", Similarity.cosine)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["query", "passage", "negative_0"], {"query": "q: ", "passage": "p: ", "negative_0": "p: "}),
        (["query", "passage", "negative"], {"query": "q: ", "passage": "p: ", "negative": "p: "}),
        (["query", "passage", "score"], {"query": "q: ", "passage": "p: "}),
        (["query", "candidate_0", "teacher_scores"], {"query": "q: ", "candidate_0": "p: "}),
        (["text"], {"damaged": "p: ", "text": ""}),
    ],
)
def test_each_column_of_texts_has_its_prefix(names: list[str], expected: dict[str, str]) -> None:
    assert prefixes(names, USAGE) == expected


def test_candidates_come_by_their_numbers() -> None:
    names = ["query", "candidate_10", "candidate_2", "candidate_0", "candidates", "teacher_scores"]
    assert candidate_columns(names) == ["candidate_0", "candidate_2", "candidate_10"]

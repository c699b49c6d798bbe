"""Spans of words: how much of a text repeats itself, and how much of it is copied from another one.

In: lists of words (`words.words`), and texts folded to such words. Out: lengths and shares. Thresholds live with the
filters that ask.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

from engine.text.words import words


@functools.lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """The words of a text, with a space around each, so that `in` between two such texts finds whole words only.

    The last 4,096 texts are remembered, because many queries are compared with the same passage.
    """
    return join_words(words(text))


def join_words(text_words: Sequence[str]) -> str:
    """The folded text (see `fold`) of a list of words."""
    return f" {' '.join(text_words)} "


def looping_span(text_words: Sequence[str], shortest: int = 1, longest: int = 8) -> int:
    """The number of words in the shortest span that stands three times in a row; 0 when there is none."""
    for length in range(shortest, min(longest, len(text_words) // 3) + 1):
        if sum(map(operator.eq, text_words, text_words[length:])) < 2 * length:
            continue  # too few equal pairs in all, so certainly in a row: most queries end here
        equal = 0
        for position in range(length, len(text_words)):
            equal = equal + 1 if text_words[position] == text_words[position - length] else 0
            if equal == 2 * length:
                return length
    return 0


def repeated_share(text_words: Sequence[str], length: int = 3) -> float:
    """The share of spans of `length` words that occurred before in the same text; 0 for a text without such a span."""
    spans = list(zip(*(text_words[start:] for start in range(length)), strict=False))
    return 1 - len(set(spans)) / len(spans) if spans else 0.0


def copied_share(text_words: Sequence[str], folded: str, span: int) -> float:
    """The share of words that lie in a run of at least `span` words which the folded text (see `fold`) has as well."""
    is_copied = bytearray(len(text_words))
    for start in range(len(text_words) - span + 1):
        if join_words(text_words[start : start + span]) in folded:
            is_copied[start : start + span] = b"\1" * span
    return sum(is_copied) / max(len(text_words), 1)

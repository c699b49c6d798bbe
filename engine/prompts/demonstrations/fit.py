"""Cuts prompt prefixes to whole blocks of the KV cache, so that hardly any of their tokens are computed again.

vLLM caches whole blocks only (128 tokens on CPU, 16 on GPU): what a prefix has beyond its last full block is computed
again for every prompt that shows it. In: demonstration sets, and how they are rendered. Out: the same sets, the longest
documents cut a little shorter, so that each prefix ends just beyond a block. A set that would lose too much stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engine.prompts.demonstrations.pool import shorten
from engine.task.render import Demonstration

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SLACK = 4
"""The tokens that a prefix may have beyond its last block, since the text after it may merge with its last token."""
MOST_CUT = 0.25
"""The largest share of the tokens of a set's documents that may be cut."""

_ATTEMPTS = 4
"""The number of cuts that are tried: a cut adds an ellipsis and tokens may merge, so the first can miss by a few."""


def fit_sets(
    sets: Sequence[Sequence[Demonstration]],
    prefixes: Callable[[Sequence[Sequence[Demonstration]]], list[str]],
    tokenizer: Tokenizer,
    block: int,
) -> list[list[Demonstration]]:
    """Cuts the documents of each set so that its prefix ends at most SLACK tokens beyond a block.

    Args:
        sets: demonstrations in the order in which they are shown.
        prefixes: renders the prefix of each set.
        tokenizer: the generator's.
        block: tokens in a block of the KV cache; up to SLACK there is nothing to gain.

    Returns:
        The sets in the same order; one that would lose too much is as it was.
    """
    fitted = [list(chosen) for chosen in sets]
    cut = dict.fromkeys((index for index, chosen in enumerate(sets) if chosen and block > SLACK), 0)
    for _ in range(_ATTEMPTS):
        encodings = tokenizer.encode_batch_fast(prefixes([fitted[index] for index in cut]), add_special_tokens=False)
        lengths = dict(zip(cut, map(len, encodings), strict=True))
        excess = {index: _excess(length, block, cut[index]) for index, length in lengths.items()}
        cut = {index: cut[index] + tokens for index, tokens in excess.items() if tokens}
        if not cut:
            break
        for index, tokens in cut.items():
            fitted[index] = _cut(sets[index], tokens, tokenizer)
    for index in cut:  # the set would lose too much, or no cut fits
        fitted[index] = list(sets[index])
    return fitted


def _excess(length: int, block: int, cut: int) -> int:
    """Says how many tokens too long (negative: too short) the prefix is for a whole number of blocks.

    Args:
        length: tokens of the prefix.
        block: tokens in a block.
        cut: tokens that were cut before. Only a prefix that was cut can be too short.
    """
    if length < block or length % block <= SLACK:
        return 0
    excess = (length - SLACK // 2) % block
    return excess - block if cut and excess > block // 2 else excess


def _cut(chosen: Sequence[Demonstration], tokens: int, tokenizer: Tokenizer) -> list[Demonstration]:
    """Cuts so many tokens from the longest documents of a set, or none where that would be too much."""
    encodings = tokenizer.encode_batch([shown.document for shown in chosen])
    ends = [[end for _, end in encoding.offsets] for encoding in encodings]
    counts = [len(offsets) for offsets in ends]
    if tokens > MOST_CUT * sum(counts):
        return list(chosen)
    for _ in range(tokens):
        counts[counts.index(max(counts))] -= 1
    return [shorten(shown, offsets, count) for shown, offsets, count in zip(chosen, ends, counts, strict=True)]

"""Prompt prefixes cut to whole blocks of the KV cache, so that the engine computes hardly any of their tokens again.

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
"""Tokens that a prefix may have beyond its last block: what follows may merge with its last token."""


MOST_CUT = 0.25
"""Share of the tokens of a set's documents that may be cut."""


_ATTEMPTS = 4
"""Where a document is cut an ellipsis is added, and neighbouring tokens merge: the first cut can miss by a few."""


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
        block: tokens of a block of the KV cache; up to SLACK there is nothing to gain.
    """
    fitted = [list(chosen) for chosen in sets]
    cut = dict.fromkeys((index for index, chosen in enumerate(sets) if chosen and block > SLACK), 0)
    for _ in range(_ATTEMPTS):
        encodings = tokenizer.encode_batch_fast(prefixes([fitted[index] for index in cut]), add_special_tokens=False)
        misses = {index: _beyond(len(e), block, cut[index]) for index, e in zip(cut, encodings, strict=True)}
        cut = {index: cut[index] + miss for index, miss in misses.items() if miss}
        if not cut:
            break
        for index, tokens in cut.items():
            fitted[index] = _cut(sets[index], tokens, tokenizer)
    for index in cut:  # it would lose too much, or does not settle
        fitted[index] = list(sets[index])
    return fitted


def _beyond(length: int, block: int, cut: int) -> int:
    """Tokens still to be cut from a prefix, or to be given back where below 0; 0 where it ends well."""
    if length < block or length % block <= SLACK:
        return 0
    beyond = (length - SLACK // 2) % block
    return beyond - block if cut and beyond > block // 2 else beyond


def _cut(chosen: Sequence[Demonstration], tokens: int, tokenizer: Tokenizer) -> list[Demonstration]:
    """The demonstrations with `tokens` tokens less, taken from the longest documents; uncut where that is too much."""
    ends = [[end for _, end in e.offsets] for e in tokenizer.encode_batch([d.document for d in chosen])]
    counts = [len(own) for own in ends]
    if tokens > MOST_CUT * sum(counts):
        return list(chosen)
    for _ in range(tokens):
        counts[counts.index(max(counts))] -= 1
    return [shorten(d, own, count) for d, own, count in zip(chosen, ends, counts, strict=True)]

"""How different texts are from one another, by their words and by their vectors.

In: texts, or their vectors. Out: single figures, and all of them for a sample that is named by its size, since most of
them fall or rise with the number of texts: compare figures of equal numbers only. Words are those of
`engine.text.words`, so that the figures mean the same in every script.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.text.hashes import text_hash
from engine.text.words import words
from eval.retrieval.metrics import Floats

MOST_COMPARED = 2_000
"""Texts that are compared with each other; more are drawn from."""
LONGEST_SPAN = 4
"""The longest runs of words that BLEU compares."""
FIRST_WORDS = 10
"""Number of first words whose share is given."""

Words = Sequence[str]


@dataclass(frozen=True)
class SampleDiversity:
    """The diversity of a sample of texts."""

    texts: int
    """Number of texts in the sample."""
    drawn_from: int
    """Number of texts that it was drawn from."""
    distinct: Mapping[int, float]
    """Different runs of 1, 2 and 3 words over all such runs, 0 to 1, by their length (Li et al. 2016)."""
    self_bleu: float
    """The mean BLEU of each text against all others, 0 all different, 1 all alike (Zhu et al. 2018)."""
    first_words: tuple[tuple[str, float], ...]
    """The `FIRST_WORDS` most common first words, each with the share of texts that begin with it, largest first."""
    vendi: float | None = None
    """The effective number of different texts (Friedman and Dieng 2023); None without vectors."""
    dispersion: float | None = None
    """The mean cosine distance of two texts; None without vectors."""


def describe_diversity(
    texts: Sequence[str], vectors: Floats | None = None, *, limit: int = MOST_COMPARED, seed: int = 0
) -> SampleDiversity:
    """Computes every figure of this module on a sample, which is drawn by hashes of the texts.

    Args:
        texts: all texts.
        vectors: one per text, (texts, dim); None leaves out what they tell.
        limit: most texts to take.
        seed: of the draw.
    """
    assert vectors is None or len(vectors) == len(texts), "a vector belongs to each text"
    order = sorted(range(len(texts)), key=lambda row: text_hash(f"{seed}\0{texts[row]}"))[:limit]
    sample = [texts[row] for row in order]
    return SampleDiversity(
        texts=len(sample),
        drawn_from=len(texts),
        distinct={length: distinct_n(sample, length) for length in (1, 2, 3)},
        self_bleu=self_bleu(sample),
        first_words=tuple(first_words(sample).items()),
        vendi=None if vectors is None else vendi_score(vectors[order]),
        dispersion=None if vectors is None else dispersion(vectors[order]),
    )


def distinct_n(texts: Sequence[str], length: int) -> float:
    """Number of different runs of `length` words over that of all such runs (Li et al. 2016); 0 when there are none."""
    spans = [span for text in texts for span in _spans(words(text), length)]
    return len(set(spans)) / len(spans) if spans else 0.0


def first_words(texts: Sequence[str], most: int = FIRST_WORDS) -> dict[str, float]:
    """Returns the share of texts that begin with a word, for the `most` most common first words, largest first."""
    listed = [found[0] for found in map(words, texts) if found]
    counts = sorted(Counter(listed).items(), key=lambda item: (-item[1], item[0]))
    return {word: count / len(texts) for word, count in counts[:most]}


def self_bleu(texts: Sequence[str], longest: int = LONGEST_SPAN) -> float:
    """The mean BLEU of each text against all others as its references (Zhu et al. 2018): 0 all different, 1 all alike.

    BLEU is that of Papineni et al. (2002) with equal weights up to spans of `longest` words, or of the text's length
    where it is shorter; spans of two words and more count one more, found and in all, so that a text without a common
    span is not 0 (Lin and Och 2004). Texts without a word are left out. The time goes with the number of words, not
    with the number of pairs, since of all other texts only the largest count of a span matters.

    Args:
        texts: any number; fewer than two give 0.
        longest: longest spans to compare.
    """
    listed = [found for found in map(words, texts) if found]
    if len(listed) < 2:
        return 0.0
    lengths = Counter(map(len, listed))
    logs = [_brevity_log(len(found), lengths) for found in listed]
    for length in range(1, longest + 1):
        counts = [Counter(_spans(found, length)) for found in listed]
        largest = _two_largest(counts)
        for row, (found, count) in enumerate(zip(listed, counts, strict=True)):
            if len(found) >= length:
                logs[row] += _precision_log(count, largest, smooth=length > 1) / min(longest, len(found))
    return math.fsum(map(math.exp, logs)) / len(logs)


def vendi_score(vectors: Floats) -> float:
    """The effective number of different texts: exp of the entropy of the eigenvalues of their similarities.

    That is the Vendi score (Friedman and Dieng 2023) with cosine similarity: n for n vectors at right angles, 1 for
    equal ones. The eigenvalues are those of the smaller of the two products of the vectors with themselves.

    Args:
        vectors: none of them zero, (texts, dim); no texts give 0.
    """
    if not len(vectors):
        return 0.0
    unit = _unit(vectors)
    product = unit @ unit.T if len(unit) <= unit.shape[1] else unit.T @ unit
    shares = np.linalg.eigvalsh(product / len(unit))
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def dispersion(vectors: Floats) -> float:
    """The mean cosine distance of two different texts, 0 for equal ones; 0 for fewer than two.

    Args:
        vectors: none of them zero, (texts, dim).
    """
    count = len(vectors)
    if count < 2:
        return 0.0
    total = _unit(vectors).sum(axis=0)  # its square is the sum over all pairs, each text with itself included
    return float(1 - (total @ total - count) / (count * (count - 1)))


def _unit(vectors: Floats) -> Floats:
    """Returns vectors of length 1, as float64."""
    values = np.asarray(vectors, np.float64)
    unit: Floats = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit


def _spans(found: Words, length: int) -> Iterator[tuple[str, ...]]:
    return zip(*(found[start:] for start in range(length)), strict=False)


def _two_largest(counts: Sequence[Counter[tuple[str, ...]]]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Returns the two largest counts of each span over all texts, equal ones both."""
    largest: dict[tuple[str, ...], tuple[int, int]] = {}
    for span, count in itertools.chain.from_iterable(counter.items() for counter in counts):
        first, second = largest.get(span, (0, 0))
        largest[span] = (max(first, count), max(second, min(first, count)))
    return largest


def _precision_log(
    count: Counter[tuple[str, ...]], largest: Mapping[tuple[str, ...], tuple[int, int]], *, smooth: bool
) -> float:
    """Returns the log of the share of a text's spans that one of the others has as often; -inf where none has any."""
    found = smooth + sum(
        min(number, largest[span][1] if number == largest[span][0] else largest[span][0])
        for span, number in count.items()
    )
    return math.log(found / (smooth + count.total())) if found else -math.inf


def _brevity_log(length: int, lengths: Counter[int]) -> float:
    """Returns the log of BLEU's penalty for a text that is shorter than the other text closest to it in length."""
    others = [other for other, number in lengths.items() if number > (other == length)]
    closest = min(others, key=lambda other: (abs(other - length), other))
    return min(0.0, 1 - closest / length)

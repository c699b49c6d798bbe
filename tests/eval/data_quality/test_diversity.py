"""Figures of diversity are those of their definitions, computed plainly."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from eval.data_quality.diversity import (
    describe_diversity,
    dispersion,
    distinct_n,
    first_words,
    self_bleu,
    vendi_score,
)


def test_distinct_n_is_different_runs_over_all_runs() -> None:
    texts = ["a b a b", "a b"]
    assert distinct_n(texts, 1) == pytest.approx(2 / 6)
    assert distinct_n(texts, 2) == pytest.approx(2 / 4)
    assert distinct_n(texts, 3) == 1
    assert distinct_n(texts, 5) == 0


def test_first_words_are_folded_and_shares_are_of_all_texts() -> None:
    texts = ["How to", "how long", "What is", "when", "?!"]
    assert first_words(texts, 2) == {"how": 0.4, "what": 0.2}
    assert list(first_words(texts)) == ["how", "what", "when"]
    assert first_words([]) == {}


def plain_bleu(text: Sequence[str], references: Sequence[Sequence[str]], longest: int) -> float:
    """BLEU of one text as its definition has it, every reference looked at for every span."""
    orders = range(1, min(longest, len(text)) + 1)
    logs = []
    for order in orders:
        spans = Counter(tuple(text[start : start + order]) for start in range(len(text) - order + 1))
        counts = [
            Counter(tuple(other[start : start + order]) for start in range(len(other) - order + 1))
            for other in references
        ]
        found = sum(min(number, max(count[span] for count in counts)) for span, number in spans.items())
        extra = int(order > 1)
        if not found + extra:
            return 0.0
        logs.append(math.log((found + extra) / (spans.total() + extra)))
    closest = min((len(other) for other in references), key=lambda length: (abs(length - len(text)), length))
    penalty = 1.0 if len(text) >= closest else math.exp(1 - closest / len(text))
    return penalty * math.exp(sum(logs) / len(logs))


@pytest.mark.parametrize("seed", range(5))
def test_self_bleu_is_the_mean_of_plain_bleu(seed: int) -> None:
    rng = random.Random(seed)
    listed = [rng.choices("abcdefgh", k=rng.randint(1, 9)) for _ in range(25)]
    plain = [plain_bleu(text, listed[:row] + listed[row + 1 :], 4) for row, text in enumerate(listed)]
    assert self_bleu([" ".join(text) for text in listed]) == pytest.approx(sum(plain) / len(plain), abs=1e-12)


def test_self_bleu_goes_from_no_word_in_common_to_all_alike() -> None:
    assert self_bleu(["a b c d", "e f g h", "i j k"]) == 0
    assert self_bleu(["a b c d e"] * 3) == pytest.approx(1)
    assert self_bleu(["a b", "", "?"]) == 0, "one text has nothing to be compared with"


def test_the_vendi_score_is_the_number_of_different_directions() -> None:
    assert vendi_score(np.eye(5) * 3) == pytest.approx(5)
    assert vendi_score(np.repeat(np.eye(4), 10, axis=0)) == pytest.approx(4)
    assert vendi_score(np.ones((7, 3))) == pytest.approx(1)
    assert vendi_score(np.empty((0, 3))) == 0


@pytest.mark.parametrize("shape", [(6, 40), (40, 6)])
def test_the_vendi_score_is_the_entropy_of_the_similarities_eigenvalues(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(0).normal(size=shape)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(unit @ unit.T / len(unit))
    entropy = -sum(share * math.log(share) for share in shares if share > 1e-12)
    assert vendi_score(vectors) == pytest.approx(math.exp(entropy))


def test_dispersion_is_the_mean_distance_of_all_pairs() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 5))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [1 - unit[row] @ unit[other] for row in range(20) for other in range(row)]
    assert dispersion(vectors) == pytest.approx(np.mean(pairs))
    assert dispersion(np.ones((5, 3))) == pytest.approx(0)
    assert dispersion(vectors[:1]) == 0


def test_a_sample_says_its_size_and_hangs_on_texts_alone() -> None:
    texts = [f"query number {number} about {number % 7}" for number in range(50)]
    vectors = np.random.default_rng(0).normal(size=(50, 8))
    whole = describe_diversity(texts, vectors, limit=20)
    assert (whole.texts, whole.drawn_from) == (20, 50)
    turned = describe_diversity(texts[::-1], vectors[::-1], limit=20)
    assert turned.vendi == pytest.approx(whole.vendi)
    assert (turned.self_bleu, turned.distinct) == (pytest.approx(whole.self_bleu), whole.distinct)
    assert describe_diversity(texts, limit=20).vendi is None
    assert whole.first_words == (("query", 1.0),)

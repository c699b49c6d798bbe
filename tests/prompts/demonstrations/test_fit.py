"""Demonstration sets cut to whole blocks of the KV cache."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.models.tokenizer import load_tokenizer
from engine.prompts.demonstrations.fit import MOST_CUT, SLACK, fit_sets
from engine.task.render import Demonstration

TOKENIZER = load_tokenizer("bundled:smollm2-135m-instruct", key="samples.model")
WORDS = "bees dance on the comb to say where flowers are; keepers find them there,".split()  # noqa: SIM905
BLOCK = 64


def demonstration(number: int, words: int) -> Demonstration:
    start = number % len(WORDS)
    return Demonstration(" ".join((WORDS[start:] + WORDS * 20)[:words]), f"question {number}?")


def prefixes(sets: Sequence[Sequence[Demonstration]]) -> list[str]:
    return ["".join(f"Passage: {d.document}\nQuery: {d.query}\n\n" for d in chosen) for chosen in sets]


def count(text: str) -> int:
    return len(TOKENIZER.encode(text, add_special_tokens=False))


@pytest.mark.parametrize("words", range(40, 104, 7))
def test_a_prefix_ends_just_beyond_a_block_or_is_left_as_it_is(words: int) -> None:
    sets = [[demonstration(row, words + row) for row in range(size)] for size in (2, 3, 5)]
    fitted = fit_sets(sets, prefixes, TOKENIZER, BLOCK)
    for before, after, old, new in zip(sets, fitted, prefixes(sets), prefixes(fitted), strict=True):
        documents = sum(count(d.document) for d in before)
        assert [d.query for d in after] == [d.query for d in before]
        if after == before:
            assert count(old) % BLOCK <= SLACK or count(old) % BLOCK > MOST_CUT * documents - 2 * SLACK
        else:
            assert count(new) % BLOCK <= SLACK
            assert count(new) // BLOCK == count(old) // BLOCK, "whole blocks stay"
            assert 0 < documents - sum(count(d.document) for d in after) <= MOST_CUT * documents


def test_the_longest_document_is_cut_first() -> None:
    short, long = demonstration(0, 20), demonstration(1, 150)
    block = 64
    [[uncut, cut]] = fit_sets([[short, long]], prefixes, TOKENIZER, block)
    assert uncut == short
    assert long.document.startswith(cut.document.removesuffix(" ..."))
    assert len(cut.document) < len(long.document)


def test_sets_that_fit_and_blocks_with_nothing_to_gain_change_nothing() -> None:
    sets = [[demonstration(row, 60 + row) for row in range(3)]]
    assert fit_sets(sets, prefixes, TOKENIZER, 1) == sets
    assert fit_sets(sets, prefixes, TOKENIZER, SLACK) == sets
    assert fit_sets([], prefixes, TOKENIZER, BLOCK) == []
    fitted = fit_sets(sets, prefixes, TOKENIZER, BLOCK)
    assert fit_sets(fitted, prefixes, TOKENIZER, BLOCK) == fitted


def test_a_prefix_shorter_than_a_block_is_left_as_it_is() -> None:
    sets = [[demonstration(0, 20)]]
    assert fit_sets(sets, prefixes, TOKENIZER, 1024) == sets

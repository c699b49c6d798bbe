"""The names of systems that look answers up, and how they are described."""

import pytest

from engine.search.fusion import FoundSystem
from engine.search.order import blank_ranking
from engine.search.reordered import ReorderedSystem
from eval.asking.systems import describe_asked, expansion_input, is_asked
from eval.systems import describe


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("base_with_rewrites", "base + rewrites"),
        ("base_with_hypothetical_fake", "base + hypothetical (fake generator)"),
        ("base_half_words_by_likelihood", "base + words, half each, in the order of likelihood"),
        ("base_half_words_and_relevance_fake", "base + words, half each, with relevance (fake generator)"),
    ],
)
def test_names_are_put_into_words(name: str, words: str) -> None:
    assert describe_asked(name) == describe(name) == words


def test_other_names_are_no_business_of_it() -> None:
    assert describe_asked("base") is None
    assert expansion_input("rewrites") == "expansion_rewrites"


def test_who_looks_answers_up_has_no_latency() -> None:
    found = FoundSystem("x", blank_ranking(1, 1))
    assert not is_asked(found)
    assert is_asked(ReorderedSystem("y", found, {}.__getitem__, 1.0))

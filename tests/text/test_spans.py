"""Spans of words: loops, repetitions and copies."""

import pytest

from engine.text.spans import copied_share, fold, join_words, looping_span, repeated_share
from engine.text.words import words


def test_folded_texts_contain_whole_words_only() -> None:
    assert fold("the key") in fold("Where is the key?")
    assert fold("the key") not in fold("Where is the keyboard?")
    assert join_words(["the", "key"]) == fold("The key!") == " the key "


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("a b c d e f", 0),
        ("no no maybe", 0),
        ("no no no", 1),
        ("so we go on we go on we go on", 3),
        ("on and off and on and off", 0),
        ("", 0),
    ],
)
def test_a_loop_is_a_span_three_times_in_a_row(text: str, length: int) -> None:
    assert looping_span(text.split()) == length


def test_a_loop_may_be_given_a_least_length() -> None:
    assert looping_span(list("aaa"), shortest=2) == 0
    assert looping_span(list("ababab"), shortest=2) == 2
    assert looping_span(list("abcdabcdabcd"), longest=3) == 0


def test_repeated_share_counts_spans_seen_before() -> None:
    assert repeated_share(list("abcabc")) == pytest.approx(1 / 4)
    assert repeated_share(list("abcd")) == 0
    assert repeated_share(["a"]) == 0


def test_copied_share_counts_words_in_spans_long_enough() -> None:
    passage = fold("The quick brown fox jumps over the lazy dog.")
    assert copied_share(words("quick brown fox jumps over"), passage, span=5) == 1
    assert copied_share(words("why do quick brown fox jumps over me"), passage, span=5) == pytest.approx(5 / 8)
    assert copied_share(words("quick brown fox jumps"), passage, span=5) == 0
    assert copied_share([], passage, span=5) == 0


def test_a_copy_with_vowel_signs_is_seen() -> None:
    passage = fold("हिन्दी विश्व की एक प्रमुख भाषा है।")
    assert copied_share(words("हिन्दी विश्व की एक प्रमुख"), passage, span=5) == 1

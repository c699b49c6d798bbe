"""What of a model's output is the query, and counts over its words."""

import pytest

from engine.text.words import clean_query, copied_share, fold, is_unspaced, looping_span, repeated_share, tokenize


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        (" where is the key", "where is the key"),
        ("where   is\tthe\u00a0key\nPassage: and so on", "where is the key"),
        ("\n\n  where is the key\n", "where is the key"),
        ('Query: "where is the key?"', "where is the key?"),
        ("**Search query 2:** where is the key", "where is the key"),
        ("1. where is the key", "where is the key"),
        ("- \u201cwhere is the key\u201d", "where is the key"),
        ("Sure, here is a query:\n\nwhere is the key", "where is the key"),
        ("Query:\nwhere is the key", "where is the key"),
        ('"map" and "filter"', '"map" and "filter"'),
        ("3.11 or later", "3.11 or later"),
        ("-v as a flag", "-v as a flag"),
        ("\u300c\u6771\u4eac\u306e\u4eba\u53e3\u300d", "\u6771\u4eac\u306e\u4eba\u53e3"),
        ("Query:", ""),
        ("", ""),
        (" \n\t\n", ""),
    ],
)
def test_the_query_is_the_first_line_that_says_something(raw: str, query: str) -> None:
    assert clean_query(raw) == query


def test_cleaning_is_idempotent() -> None:
    raw = "1. Query: ' - \"where is it\" '"
    assert clean_query(clean_query(raw)) == clean_query(raw) == "where is it"


def test_words_where_there_are_spaces_and_characters_where_not() -> None:
    assert tokenize("How does itertools.groupby() WORK?") == ["how", "does", "itertools", "groupby", "work"]
    assert tokenize("\u6771\u4eac\u306eWi-Fi") == ["\u6771", "\u4eac", "\u306e", "wi", "fi"]
    assert tokenize("\uc11c\uc6b8\uc758 \uc778\uad6c") == ["\uc11c\uc6b8\uc758", "\uc778\uad6c"]


def test_korean_has_spaces_and_chinese_has_not() -> None:
    assert is_unspaced("\u5317\u4eac\u7684\u4eba\u53e3 2020")
    assert not is_unspaced("\uc11c\uc6b8\uc758 \uc778\uad6c")
    assert not is_unspaced("what is Python")
    assert not is_unspaced("")


def test_folded_texts_contain_whole_words_only() -> None:
    assert fold("the key") in fold("Where is the key?")
    assert fold("the key") not in fold("Where is the keyboard?")


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


def test_repeated_share_counts_grams_seen_before() -> None:
    assert repeated_share(list("abcabc")) == pytest.approx(1 / 4)
    assert repeated_share(list("abcd")) == 0
    assert repeated_share(["a"]) == 0


def test_copied_share_counts_tokens_in_spans_long_enough() -> None:
    passage = fold("The quick brown fox jumps over the lazy dog.")
    assert copied_share(tokenize("quick brown fox jumps over"), passage, span=5) == 1
    assert copied_share(tokenize("why do quick brown fox jumps over me"), passage, span=5) == pytest.approx(5 / 8)
    assert copied_share(tokenize("quick brown fox jumps"), passage, span=5) == 0
    assert copied_share([], passage, span=5) == 0

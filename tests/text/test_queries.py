"""What of a model's output is the query."""

import pytest

from engine.text.queries import clean_query


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

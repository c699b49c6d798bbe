"""What a query is like: asked as a question or not, and how long."""

from __future__ import annotations

import pytest

from engine.queries.traits import form_of, weights_of_trait
from engine.task.config import QueryTrait


@pytest.mark.parametrize(
    "query",
    [
        "lost luggage what now?",
        "how do bees dance",
        "is there a doctor",
        "Wie lange dauert das",
        "où est la gare",
        "東京の人口は何人ですか",
        "서울은 어디입니까",
        "가장 큰 도시는\uff1f",
    ],
)
def test_questions_are_told_by_mark_word_or_ending(query: str) -> None:
    assert form_of(query) == "question"


@pytest.mark.parametrize(
    "query", ["bee dance", "can opener", "will smith films", "how", "is 13485", "東京の人口", "서울 인구", "", "doors"]
)
def test_all_others_are_keywords(query: str) -> None:
    assert form_of(query) == "keywords"


def test_the_weights_of_a_trait_are_shares() -> None:
    queries = ["how do bees dance", "bee dance", "bees", "hive"]
    assert weights_of_trait(QueryTrait.form, queries) == {"question": 0.25, "keywords": 0.75}
    assert weights_of_trait(QueryTrait.form, queries[1:]) == {"question": 0.0, "keywords": 1.0}
    assert weights_of_trait(QueryTrait.words, queries) == {"1": 0.5, "2": 0.25, "4": 0.25}
    rare = weights_of_trait(QueryTrait.words, ["one two"] * 300 + ["word " * 40])
    assert rare == {"2": 1.0}, "one in 300 is chance, or no query"

"""What a model answered about queries is found by the query, and a query that nobody asked about is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.artifacts.judged import QUERY, Criterion
from engine.artifacts.pairs import query_id
from engine.artifacts.samples import samples_schema
from engine.errors import UserError
from eval.asking.answers import is_fake, read_scores, read_texts
from eval.asking.config import SearchedAs
from tests.support.committed import commit_table

CRITERION = Criterion("relevance", "", "", ("score_listed_yes", "score_reversed_yes"), "", 0.0, 0.0)


def filled(schema: pa.Schema, rows: list[dict[str, object]]) -> pa.Table:
    empty: dict[str, object] = {field.name: "" if pa.types.is_string(field.type) else 0 for field in schema}
    numbered = [{**empty, "sample_id": number, "model": "m", **row} for number, row in enumerate(rows)]
    return pa.Table.from_pylist(numbered, schema=schema)


def written(query: str, text: str, status: str = "generated") -> dict[str, object]:
    return {"passage_id": query_id(query), "text": text, "status": status}


def test_texts_of_a_query_are_cleaned_and_each_is_there_once(tmp_path: Path) -> None:
    rows = [
        written("why bees dance", " Query: dances of bees\nmore"),
        written("why bees dance", "dances of bees"),
        written("why bees dance", " why bees dance"),
        written("why bees dance", "lost", "failed"),
        written("tea", "\n"),
    ]
    commit_table(tmp_path, filled(samples_schema([]), rows[::-1]))
    texts_of = read_texts(tmp_path, SearchedAs.query, "base_with_rewrites")
    assert texts_of("why  bees\ndance") == ["dances of bees"]
    assert texts_of("tea") == [], "asked, and nothing that can be used was written"
    assert texts_of(" ") == [], "as read_queries leaves it out"
    whole = read_texts(tmp_path, SearchedAs.passage, "x")
    assert "Query: dances of bees more" in whole("why bees dance")
    with pytest.raises(UserError, match=r"^base_with_rewrites: no model was asked about the query 'who'"):
        texts_of("who")
    assert not is_fake(tmp_path)


def test_scores_of_a_query_are_the_means_of_their_columns(tmp_path: Path) -> None:
    schema = samples_schema([QUERY], [pa.field(name, pa.float64()) for name in CRITERION.columns])

    def pair(query: str, passage: str, *scores: float | None) -> dict[str, object]:
        named = dict(zip(CRITERION.columns, scores, strict=True))
        return {f"condition_{QUERY}": query, "passage_id": passage, "model": "fake", **named}

    rows = [pair("tea", "p2", 0.2, 0.4), pair("bees", "p1", 0.5, 0.7), pair("tea", "p0", None, None)]
    commit_table(tmp_path, filled(schema, rows))
    scores_of = read_scores(tmp_path, CRITERION, ["p0", "p1", "p2"], "x")
    rows_of_tea, figures = scores_of("tea")
    found = dict(zip(rows_of_tea.tolist(), figures.tolist(), strict=True))
    assert found[2] == pytest.approx(0.3)
    assert np.isnan(found[0])
    assert scores_of(" bees")[0].tolist() == [1]
    assert scores_of("")[0].tolist() == []
    with pytest.raises(UserError, match="no model was asked"):
        scores_of("bread")
    assert is_fake(tmp_path)

"""Reads what a model answered about the queries of a report.

In: finished samples folders. Out: for each query the texts that were written, or the scores of its passages, in memory:
a report asks about some hundred queries. A query that nothing was asked about is refused, since a figure without the
model would pass for one with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.judged import QUERY, Criterion, figures_of
from engine.artifacts.pairs import one_line, query_id
from engine.errors import UserError
from engine.search.order import Rows
from engine.storage.parts import committed_parts
from engine.storage.store import read_record
from engine.text.queries import clean_query
from eval.asking.config import SearchedAs

FAKE = "fake"
"""The generator, and the model of answers, where no model wrote: they were computed."""


def read_texts(folder: Path, searched_as: SearchedAs, name: str) -> Callable[[str], list[str]]:
    """Reads the texts that were written for queries.

    Args:
        folder: of the samples step that had them written; its rows are about the rows of `eval.expansion.step`.
        searched_as: whether a text is cleaned as a query, or kept whole.
        name: of the system that asks, for messages.

    Returns:
        A function that gives the texts of a query, each once and none equal to it; fewer where some failed.
    """
    clean = clean_query if searched_as is SearchedAs.query else one_line
    texts: dict[str, list[str]] = {}
    for row in _rows(folder, ["sample_id", "passage_id", "status", "text"]).sort_by("sample_id").to_pylist():
        written = texts.setdefault(row["passage_id"], [])
        if row["status"] == "generated" and (text := clean(row["text"])) and text not in written:
            written.append(text)

    def texts_of(query: str) -> list[str]:
        if not one_line(query):
            return []  # about an empty query nothing is asked
        found = texts.get(query_id(query))
        if found is None:
            raise _not_asked(name, query)
        return [text for text in found if text != one_line(query)]

    return texts_of


def read_scores(
    folder: Path, criterion: Criterion, passage_ids: Sequence[str], name: str
) -> Callable[[str], tuple[Rows, NDArray[np.float64]]]:
    """Reads what a model said of passages.

    Args:
        folder: of the samples step that asked it, about the pairs of `eval.reranking.step`.
        criterion: the columns of its figure.
        passage_ids: of the corpus, by row.
        name: of the system that asks, for messages.

    Returns:
        A function that gives the rows of a query's passages and their figures, NaN for those that failed.
    """
    asked = f"{CONDITION_PREFIX}{QUERY}"
    columns = [*criterion.columns, *([criterion.baseline] if criterion.baseline else [])]
    table = _rows(folder, ["passage_id", asked, *columns]).sort_by(asked)
    queries = table[asked].to_pylist()
    numbers = pc.index_in(table["passage_id"], value_set=pa.array(passage_ids, pa.string()))
    rows: Rows = numbers.to_numpy().astype(np.int64)
    figures = figures_of(table, criterion)
    starts = [place for place in range(len(queries)) if not place or queries[place] != queries[place - 1]]
    ends = [*starts[1:], len(queries)]
    found = {
        query_id(queries[start]): (rows[start:end], figures[start:end]) for start, end in zip(starts, ends, strict=True)
    }

    def scores_of(query: str) -> tuple[Rows, NDArray[np.float64]]:
        if not one_line(query):
            return np.empty(0, np.int64), np.empty(0)
        if query_id(query) not in found:
            raise _not_asked(name, query)
        return found[query_id(query)]

    return scores_of


def is_fake(folder: Path) -> bool:
    """Tells whether the answers of a samples folder were computed by the fake generator."""
    return FAKE in pc.unique(_rows(folder, ["model"])["model"]).to_pylist()


def is_made_up(samples: Path) -> bool:
    """Tells whether the fake generator computed the samples of a finished folder, by what its step recorded."""
    return bool(read_record(samples).config.get("generator") == FAKE)


def _rows(folder: Path, columns: Sequence[str]) -> pa.Table:
    return pa.concat_tables([pq.read_table(part, columns=list(columns)) for part in committed_parts(folder)])


def _not_asked(name: str, query: str) -> UserError:
    what = f"no model was asked about the query {one_line(query)[:80]!r}"
    return UserError(what, where=name, remedy="search with another system, or run the report with this query in it")

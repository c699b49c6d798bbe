"""A plan of pairs: one question about many pairs of a passage and a query, and which answer belongs to which pair.

In: for each query the passages that are asked about. Out: a prompts folder with a row for each pair, the query as a
condition, as in the plan of a judge; later the figures of the answers, in the shape of the passages. The rows of a
passage are neighbours, so that its prompt is computed once and comes from the cache. Reports and teachers plan so, and
neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX, PROMPTS
from engine.artifacts.judged import QUERY, Criterion, Figures, read_judged, rows_with
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.task.config import TaskConfig
from engine.text.hashes import Integers, text_hash

_FILE_ROWS = 1 << 16
"""Rows of one file of a plan."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a query and a passage, each once, in the order of passages and then of queries."""

    queries: Integers
    """The number of each pair's query, (pairs,)."""
    passages: Integers
    """The row of each pair's passage, (pairs,)."""
    numbers: Integers
    """The number of the pair at each place of the passages that were given; -1 where there was none."""


def number_pairs(rows: Integers, query_of: Integers) -> Pairs:
    """Numbers the pairs of queries with their passages; the same numbers come of the same arguments.

    Args:
        rows: the passages that each query is asked about, (n, depth); -1 where there are fewer.
        query_of: the number of each query, (n,), from 0 on; equal ones of queries of one text.
    """
    is_asked = rows >= 0
    asked = np.broadcast_to(query_of[:, None], rows.shape)[is_asked]
    count = max(1, int(query_of.max(initial=0)) + 1)
    codes, inverse = np.unique(rows[is_asked].astype(np.int64) * count + asked, return_inverse=True)
    numbers = np.full(rows.shape, -1, np.int64)
    numbers[is_asked] = inverse
    passages, queries = np.divmod(codes, count)
    return Pairs(queries, passages, numbers)


def write_pairs(
    folder: PromptsFolder, task: TaskConfig, pairs: Pairs, queries: pa.Array, ids: pa.Array
) -> PromptsRecord:
    """Writes the plan of a question about pairs; the row of a pair has its number as `sample_id`.

    Args:
        folder: becomes a prompts folder.
        task: the question, as turns that are scored about a passage and the condition `QUERY`.
        pairs: what is asked about.
        queries: the text of each query, by its number; white space makes no difference.
        ids: the `passage_id` of each passage, by its row.
    """
    folder.write_basis(task, [], [])
    count = len(pairs.passages)
    for number, first in enumerate(range(0, count, _FILE_ROWS)):
        part = slice(first, first + _FILE_ROWS)
        folder.write_chunk(number, _planned(pairs, part, queries, ids))
    return PromptsRecord(
        planned=count,
        prefixes=len(np.unique(pairs.passages)),
        prompt_tokens=0,
        num_values={},
        distribution={},
        ended_early="",
        demonstrations=0,
        demonstration_sets=0,
    )


def _planned(pairs: Pairs, part: slice, queries: pa.Array, ids: pa.Array) -> pa.Table:
    """Makes some rows of the plan; the query is part of their key."""
    texts = list(map(one_line, queries.take(pa.array(pairs.queries[part])).to_pylist()))
    count = len(texts)
    columns: dict[str, object] = dict.fromkeys(PROMPTS.names, np.zeros(count, np.int64))
    columns |= {"sample_id": np.arange(part.start, part.start + count), "demonstrations": [""] * count}
    columns |= {"passage_id": ids.take(pa.array(pairs.passages[part])), "cell": list(map(query_id, texts))}
    asked = f"{CONDITION_PREFIX}{QUERY}"
    columns[asked] = texts
    return pa.table(columns).cast(PROMPTS.append(pa.field(asked, pa.string())))


def read_figures(folder: Path, criterion: Criterion, numbers: Integers) -> Figures:
    """Reads the figures of pairs, in the shape of their numbers; NaN for a pair that failed and where there is none.

    Args:
        folder: of the samples step that asked about the pairs.
        criterion: says in which columns a figure stands.
        numbers: `Pairs.numbers`, or a part of it.
    """
    judged = read_judged(folder, criterion)
    places, is_there = rows_with(judged.ids, numbers)
    figures = np.full(numbers.shape, np.nan)
    figures[is_there] = judged.figures[places[is_there]]
    return figures


def one_line(text: str) -> str:
    """Returns a text with its white space folded to single blanks."""
    return " ".join(text.split())


def query_id(text: str) -> str:
    """Returns the name of a query by its text, whatever its white space: 16 hex digits."""
    return f"{text_hash(one_line(text)):016x}"

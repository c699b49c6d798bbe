"""Which queries people are to judge: those of a log, or synthetic ones of held-out documents.

In: a file of queries, or held-out queries with the documents that they were written from. Out: texts by query id, in
the order of the draw. A query is drawn by a hash of the run's seed and its words, so that neither its place in the log
nor how often it stands there changes anything, and a larger draw begins with the smaller one.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.errors import UserError
from engine.storage.lines import read_lines, read_objects
from engine.text.hashes import text_hash
from engine.text.queries import clean_query
from engine.text.words import words
from eval.retrieval.benchmark import Benchmark

QUERY_FIELDS = ("query", "text")
"""The columns that may hold the query; an earlier one is preferred."""
KEY = "queries.path"
"""The argument that names a log."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""What parts the columns of a table, by the ending of its file."""


def draw_from_log(file: Path, limit: int, seed: int) -> dict[str, str]:
    """Draws distinct queries of a log; memory holds a few times as many as are drawn.

    Queries are cleaned as generated ones are (`clean_query`). Those with the same words are one, and the least of their
    texts stands for them; those without a word are none.

    Args:
        file: a query per line, or JSONL, CSV or TSV with a column of `QUERY_FIELDS`; each may be gz-compressed.
        limit: most queries to draw.
        seed: of the draw.

    Raises:
        UserError: the file cannot be read, has no such column, or holds no query.
    """
    drawn: dict[int, str] = {}
    for raw in read_log(file):
        text = clean_query(raw)
        if folded := " ".join(words(text)):
            draw = _draw(seed, folded)
            drawn[draw] = min(text, drawn.get(draw, text))
        if len(drawn) > 4 * limit + 1000:
            drawn = {draw: drawn[draw] for draw in sorted(drawn)[:limit]}
    if not drawn:
        raise UserError("holds no query", where=f"{KEY}={file}", remedy="write one query per line")
    return {f"query-{draw:016x}": drawn[draw] for draw in sorted(drawn)[:limit]}


def draw_from_held_out(held_out: Benchmark, limit: int, seed: int) -> dict[str, str]:
    """Draws synthetic queries from as many documents as there are: no document has two before each has one.

    Args:
        held_out: the queries, with their source documents.
        limit: most queries to draw.
        seed: of the draw.
    """
    texts = {text: query_id for query_id, text in sorted(held_out.queries.items(), reverse=True)}
    by_draw = sorted(texts.values(), key=lambda query_id: _draw(seed, query_id))
    turns: Counter[str] = Counter()
    keys: dict[str, tuple[int, int]] = {}
    for query_id in by_draw:
        document = held_out.sources[query_id]
        keys[query_id] = (turns[document], _draw(seed, document))
        turns[document] += 1
    return {query_id: held_out.queries[query_id] for query_id in sorted(keys, key=keys.__getitem__)[:limit]}


def read_log(file: Path) -> Iterator[str]:
    """Gives the queries of a log as they stand there, in their order.

    Raises:
        UserError: the file cannot be read or is malformed, or a table has no column of `QUERY_FIELDS`.
    """
    ending = file.name.removesuffix(".gz").rpartition(".")[2].lower()
    if ending in {"jsonl", "ndjson"}:
        return _from_objects(file)
    delimiter = _DELIMITERS.get(f".{ending}", "")
    return _from_table(file, delimiter) if delimiter else read_lines(file)


def _from_objects(file: Path) -> Iterator[str]:
    for item in read_objects(file):
        where = f"{file}:{item.line}"
        value = item.values[_field(item.values, where)]
        if not isinstance(value, str):
            raise UserError(f"the query is no text but {value!r}", where=where, remedy='write {"query": "..."}')
        yield value


def _from_table(file: Path, delimiter: str) -> Iterator[str]:
    reader = csv.reader(read_lines(file), delimiter=delimiter, strict=True)
    column: int | None = None
    try:
        for record in reader:
            where = f"{file}:{reader.line_num}"
            if column is None:
                names = [name.strip().lower() for name in record]
                column = names.index(_field(names, where))
            elif len(record) > column:
                yield record[column]
            elif record:
                raise UserError(f"{len(record)} fields are too few", where=where, remedy="write as many as the header")
    except csv.Error as error:
        remedy = "close every quote, or write one query per line into a .txt file"
        raise UserError(f"malformed CSV ({error})", where=f"{file}:{reader.line_num}", remedy=remedy) from None


def _field(names: Iterable[str], where: str) -> str:
    """Finds the column of the query."""
    there = list(names)
    name = next((name for name in QUERY_FIELDS if name in there), None)
    if name is None:
        what = f"has no column {' or '.join(map(repr, QUERY_FIELDS))}, only {', '.join(there) or 'none'}"
        raise UserError(what, where=where, remedy=f"name the column of the queries {QUERY_FIELDS[0]}")
    return name


def _draw(seed: int, name: str) -> int:
    return text_hash(f"{seed}\0{name}")

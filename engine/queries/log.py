"""Reads a log of queries, and draws distinct ones from it.

In: a file of queries as people typed them. Out: texts by query id, in the order of the draw. A query is drawn by a hash
of a seed and its words, so that neither its place in the log nor how often it stands there changes anything, and a
larger draw begins with the smaller one. Memory holds a few times as many as are drawn, however long the log is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from engine.errors import UserError
from engine.storage.csv_records import check_length, csv_records, header_delimiter
from engine.storage.lines import NotTextError, read_lines, read_objects
from engine.storage.listing import CSV_ENDINGS, JSONL_ENDINGS, PARQUET_ENDINGS
from engine.storage.parquet_records import open_parquet, parquet_batches
from engine.text.hashes import text_hash
from engine.text.queries import clean_query
from engine.text.surrogates import without_halves
from engine.text.words import words

KEY = "queries.path"
"""The config key, and the argument of `judge`, that names a log."""
QUERY_FIELDS = ("query", "text", "question", "search_query", "search_term", "q")
"""The columns that may hold the query; an earlier one is preferred."""

_JSON_ALONE, _JSON_BEGINNINGS = ("{", "["), ('{"', '[{"', '["')
"""How the first line of a JSON file may look, and that of no log of queries."""
_ANOTHER_FILE = "name a text file with one query per line, or JSONL, CSV or Parquet under its own ending"


def find_log(path: str) -> Path:
    """Returns the file of a log.

    Raises:
        UserError: there is no such file.
    """
    file, where = Path(path).expanduser(), f"{KEY}={path}"
    if not file.exists():
        raise UserError("does not exist", where=where, remedy="name a file with one query per line")
    if not file.is_file():
        raise UserError("is no file", where=where, remedy="name one file; join several: cat LOGS/* > LOG")
    return file


def draw_from_log(file: Path, limit: int, seed: int, tell: Callable[[str], None] | None = None) -> dict[str, str]:
    """Draws distinct queries of a log.

    Queries are cleaned as generated ones are (`clean_query`). Those with the same words are one, and the least of their
    texts stands for them; those without a word are none.

    Args:
        file: a query per line, or JSONL, CSV, TSV or Parquet with a column of `QUERY_FIELDS`.
        limit: most queries to draw.
        seed: of the draw.
        tell: is told how many queries there are, where some of them count for none; nobody is by default.

    Raises:
        UserError: the file cannot be read, has no such column, or holds no query.
    """
    drawn: dict[int, str] = {}
    read = without_words = 0
    is_large = False
    for raw in read_log(file):
        text = clean_query(raw)
        read += bool(raw.strip())
        if folded := " ".join(words(text)):
            draw = text_hash(f"{seed}\0{folded}")
            drawn[draw] = min(text, drawn.get(draw, text))
        else:
            without_words += bool(raw.strip())
        if len(drawn) > 4 * limit + 1000:
            drawn, is_large = {draw: drawn[draw] for draw in sorted(drawn)[:limit]}, True
    if not drawn:
        raise UserError("holds no query", where=f"{KEY}={file}", remedy="write one query per line")
    if tell and is_large:
        tell(f"{read:,} queries, of which {limit:,} different ones are drawn")
    elif tell and read > len(drawn):
        tell(_counted(read, read - without_words - len(drawn), without_words))
    return {f"query-{draw:016x}": drawn[draw] for draw in sorted(drawn)[:limit]}


def _counted(read: int, repeated: int, without_words: int) -> str:
    """Says how many queries of a log count for none, and why."""
    reasons = {"repeats the words of another": repeated, "has no word": without_words}
    plural = {"repeats the words of another": "repeat the words of others", "has no word": "have no word"}
    told = [f"{count:,} {reason if count == 1 else plural[reason]}" for reason, count in reasons.items() if count]
    return f"{read:,} {'query' if read == 1 else 'queries'}, of which {' and '.join(told)}"


def read_log(file: Path) -> Iterator[str]:
    """Gives the queries of a log as they stand there, in their order.

    Raises:
        UserError: the file cannot be read or is malformed, or a table has no column of `QUERY_FIELDS`; with the key and
            the place in the file.
    """
    try:
        yield from _records(file)
    except UserError as error:
        is_text = not isinstance(error, NotTextError)
        remedy = error.remedy if is_text else f"{_ANOTHER_FILE}; where it is text, {error.remedy}"
        raise UserError(error.what, where=f"{KEY}={error.where}", remedy=remedy) from error


def _records(file: Path) -> Iterator[str]:
    name = file.name.lower()
    if name.endswith(JSONL_ENDINGS):
        return _from_objects(file)
    if name.endswith(PARQUET_ENDINGS):
        return _from_parquet(file)
    if name.endswith(CSV_ENDINGS):
        return _from_table(file)
    return _from_lines(file)


def _from_lines(file: Path) -> Iterator[str]:
    """Gives the query of each line.

    Of a line with tabs it is the field with most letters, since others are counts or dates; nothing where none has any.

    Raises:
        UserError: a line holds a zero byte, which no text does, or the first one is JSON.
    """
    for number, line in enumerate(read_lines(file), 1):
        if number == 1 and (line.strip() in _JSON_ALONE or line.startswith(_JSON_BEGINNINGS)):
            remedy = 'write one {"query": ...} per line into a file that ends in .jsonl, or one query per line'
            raise UserError("is JSON, and its ending is not .jsonl", where=f"{file}:{number}", remedy=remedy)
        if "\0" in line:
            raise UserError("is no text: it holds a zero byte", where=f"{file}:{number}", remedy=_ANOTHER_FILE)
        fields = sorted(line.split("\t"), key=_letters)
        yield line if len(fields) == 1 else fields[-1] if _letters(fields[-1]) else ""


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _from_objects(file: Path) -> Iterator[str]:
    for item in read_objects(file):
        where = f"{file}:{item.line}"
        yield from _text(item.values[_field(item.values, where)], where)


def _from_parquet(file: Path) -> Iterator[str]:
    with open_parquet(file) as parquet:
        name, row = _field(parquet.schema_arrow.names, str(file)), 0
        for batch in parquet_batches(parquet, [name]):
            for value in batch[0].to_pylist():
                row += 1
                yield from _text(value, f"{file}: row {row}")


def _from_table(file: Path) -> Iterator[str]:
    names: list[str] = []
    column = 0
    for line, record in csv_records(file, header_delimiter(file)):
        where = f"{file}:{line}"
        if not names:
            names = [name.strip().lower() for name in record]
            column = names.index(_field(names, where))
            continue
        check_length(record, names, where)  # a query with an unquoted comma would else be cut at it
        yield record[column]


def _text(value: object, where: str) -> Iterator[str]:
    """Gives the query that a field holds, with a space for half of a surrogate pair; nothing where it is null.

    Raises:
        UserError: it is no text.
    """
    if isinstance(value, str):
        yield without_halves(value)
    elif value is not None:
        raise UserError(f"the query is no text but {value!r}", where=where, remedy='write {"query": "..."}')


def _field(names: Iterable[str], where: str) -> str:
    """Finds the column of the query."""
    there = list(names)
    name = next((name for name in QUERY_FIELDS if name in there), None)
    if name is None:
        listed, known = ", ".join(there[:20]) or "none", ", ".join(map(repr, QUERY_FIELDS))
        what = f"has no column for the query (known are {known}), only {listed}"
        raise UserError(what, where=where, remedy=f"name the column of the queries {QUERY_FIELDS[0]}")
    return name

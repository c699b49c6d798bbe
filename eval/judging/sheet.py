"""The table that a person fills in, one result a line, as a spreadsheet and the page both write it.

    pool, query_id, passage_id, document_id, query, title, text, grade

In: a pool, or a table that somebody marked. Out: the table, or the grade of each marked result. Only pool, ids and
grade are read. Whatever cannot be meant is refused with file and line: a mark that lands on another passage is worse
than none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.errors import UserError
from engine.storage.files import write_text
from engine.storage.lines import read_lines
from eval.judging.pool import Pool

COLUMNS = ("pool", "query_id", "passage_id", "document_id", "query", "title", "text", "grade")
"""The columns of the table."""
GRADES = {0: "not relevant", 1: "partly relevant", 2: "relevant"}
"""What a mark means."""

Marks = Mapping[tuple[str, str], int]
"""The grade of each marked result, by the ids of query and passage."""

_READ = ("pool", "query_id", "passage_id", "grade")
"""The columns that are read; others may be missing."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell rather than show it."""


def write_sheet(file: Path, pool: Pool) -> None:
    """Writes the table without grades; the mark of UTF-8 in front is what Excel knows it by."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for result in pool.results:
        ids = (result.query_id, result.passage_id, result.document_id)
        texts = (pool.queries[result.query_id], result.title, result.text)
        table.writerow([pool.name, *map(shown_id, ids), *map(shown_cell, texts), ""])
    write_text(file, "\ufeff" + stream.getvalue())


def shown_cell(text: str) -> str:
    """Returns a text that a spreadsheet shows and does not compute: passages are anybody's."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def shown_id(text: str) -> str:
    """Returns an id that a spreadsheet does not compute; no two ids are shown alike."""
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def pool_of(file: Path) -> str:
    """Returns the name of the pool that a table is of.

    Raises:
        UserError: the file is no such table, is empty, or its lines are of several pools.
    """
    names = {row["pool"]: where for where, row in _rows(file)}
    if not names:
        raise UserError("holds no results", where=str(file), remedy="name a table that the page or this command wrote")
    if len(names) > 1:
        first, second, *_ = names
        remedy = "read the tables of one pool together, and those of another apart"
        raise UserError(f"holds lines of several pools ({first}, {second})", where=names[second], remedy=remedy)
    return next(iter(names))


def read_marks(file: Path, pool: Pool) -> dict[tuple[str, str], int]:
    """Reads the marks of a table.

    Args:
        file: a table, whole or in part, in any order; its columns may be parted by semicolons or tabs.
        pool: the pool that it is of.

    Raises:
        UserError: a grade other than 0, 1 and 2, a query or passage that is not in the pool, or two grades for one
            result, with file and line; or there is no mark at all.
    """
    marks: dict[tuple[str, str], int] = {}
    pairs = {
        (shown_id(query_id), shown_id(passage_id)): (query_id, passage_id) for query_id, passage_id in pool.by_pair
    }
    for where, row in _rows(file):
        written = (row["query_id"], row["passage_id"])
        pair = pairs.get(written, written)  # a table that somebody made may have the ids themselves
        if pair not in pool.by_pair:
            raise _unknown(pair, pool, where)
        if not row["grade"]:
            continue
        if row["grade"] not in map(str, GRADES):
            meaning = ", ".join(f"{grade} ({words})" for grade, words in GRADES.items())
            raise UserError(f"{row['grade']!r} is no mark", where=where, remedy=f"write {meaning}, or nothing")
        grade = int(row["grade"])
        if marks.setdefault(pair, grade) != grade:
            what = f"query {pair[0]!r} and passage {pair[1]!r} have two marks, {marks[pair]} and {grade}"
            raise UserError(what, where=where, remedy="keep one of the two lines")
    if not marks:
        raise UserError("holds no marks", where=str(file), remedy="fill in the column grade, or save from the page")
    return marks


def _rows(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Gives the lines of a table with where they stand, the values without blanks around them."""
    lines = read_lines(file)
    header = next(lines, "")
    delimiter = max(",;\t", key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if missing := [name for name in _READ if name not in names]:
        remedy = f"name a table with the columns {', '.join(_READ)}"
        raise UserError(f"has no column {missing[0]!r} in its first line", where=f"{file}:1", remedy=remedy)
    csv.field_size_limit(1 << 30)  # the default refuses passages past 128 KiB
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 2
    try:
        for record in reader:
            where, line = f"{file}:{line}", reader.line_num + 2
            if not any(map(str.strip, record)):
                continue
            if len(record) != len(names):
                remedy = "quote fields that hold the delimiter or line breaks"
                raise UserError(
                    f"{len(record)} fields where the first line has {len(names)}", where=where, remedy=remedy
                )
            values = dict(zip(names, map(str.strip, record), strict=True))
            yield where, {name: values[name] for name in _READ}
    except csv.Error as error:
        raise UserError(f"malformed CSV ({error})", where=f"{file}:{line}", remedy="save it anew as CSV") from None


def _unknown(pair: tuple[str, str], pool: Pool, where: str) -> UserError:
    query_id, passage_id = pair
    if query_id not in pool.queries:
        return UserError(
            f"the pool has no query {query_id!r}", where=where, remedy="leave the ids as they were written"
        )
    what = f"query {query_id!r} has no result {passage_id!r}"
    return UserError(what, where=where, remedy="leave the ids as they were written")

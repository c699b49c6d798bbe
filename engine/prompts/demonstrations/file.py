"""Reads demonstrations that somebody wrote: JSON lines, a table as text, or Parquet.

In: a file, known by its ending; one of another ending is read as JSON lines. Out: demonstrations one by one. Every
mistake is named with its line or row. A field of a table that is empty, and one of the others that is null, is as one
that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from engine.errors import UserError
from engine.storage.csv_records import table_rows
from engine.storage.lines import JsonObject, UnreadableError, read_objects
from engine.storage.listing import CSV_ENDINGS, JSONL_ENDINGS, PARQUET_ENDINGS
from engine.storage.parquet_records import parquet_rows
from engine.task.render import Demonstration
from engine.text.surrogates import check_whole

_FIELDS = ("document", "query", "title")
"""The fields of a row that are no condition values."""
_ENDINGS = (*JSONL_ENDINGS, *CSV_ENDINGS, *PARQUET_ENDINGS)
"""The endings that tell what a file is."""


def read_demonstration_file(file: Path, needed: Sequence[str] = ("document", "query")) -> Iterator[Demonstration]:
    """Gives the demonstrations of a file in their order.

    Args:
        file: as `DemonstrationsConfig.pool_file` finds it.
        needed: the fields in which every row must have a text.

    Raises:
        UserError: the file cannot be read, is malformed or holds no row, or a row lacks a text or holds another value.
    """
    is_empty, remedy = True, _remedy(file, needed)
    for where, values in _rows(file):
        row = _checked(values, where, needed, remedy)
        is_empty = False
        document, query, title = (row.get(name, "").strip() for name in _FIELDS)
        conditions = {name: value for name, value in row.items() if name not in _FIELDS}
        yield Demonstration(document, query, conditions=conditions, title=title)
    if is_empty:
        raise UserError(
            "holds no demonstration", where=str(file), remedy="add rows, or leave demonstrations.path empty"
        )


def _rows(file: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Gives rows by the names of their fields, each with the place where it stands."""
    name = file.name.lower()
    if name.endswith(CSV_ENDINGS):
        for where, row in table_rows(file):
            yield where, {key: cell or None for key, cell in row.items()}
    elif name.endswith(PARQUET_ENDINGS):
        yield from parquet_rows(file)
    else:
        yield from ((f"{file}:{line.line}", line.values) for line in _read_lines(file))


def _read_lines(file: Path) -> Iterator[JsonObject]:
    """Gives the lines of a file; where its ending tells nothing, one that is no object may be of another kind of file.

    Raises:
        UserError: a line is no JSON object.
    """
    try:
        yield from read_objects(file)
    except UnreadableError:
        raise
    except UserError as error:
        if file.name.lower().endswith(_ENDINGS):
            raise
        what = f"{error.what}; its ending {file.suffix!r} tells no kind of file, and it is read as JSON lines"
        remedy = "of an array make lines (jq -c '.[]' IN.json > OUT.jsonl), or give it the ending of what it is"
        raise UserError(what, where=error.where, remedy=f"{remedy}: {', '.join(_ENDINGS)}") from error


def _remedy(file: Path, needed: Sequence[str]) -> str:
    """Says how a row is written in a file of this kind."""
    if file.name.lower().endswith((*CSV_ENDINGS, *PARQUET_ENDINGS)):
        return f"name its columns {', '.join(needed)}, with a text in each"
    return f"write one JSON object per line: {json.dumps(dict.fromkeys(needed, '...'))}"


def _checked(row: Mapping[str, object], where: str, needed: Sequence[str], remedy: str) -> dict[str, str]:
    for name in needed:
        value = row.get(name)
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"the row has no text in {name!r}", where=where, remedy=remedy)
    for name, value in row.items():
        if isinstance(value, list | dict):
            raise UserError(f"{name!r} holds a JSON {type(value).__name__}, not text", where=where, remedy=remedy)
        check_whole(f"{name}{value}", repr(name), where)
    return {name: str(value) for name, value in row.items() if value is not None}

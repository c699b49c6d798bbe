"""Records of a table in a text file, each with the line at which it starts.

In: a file, plain or gz-compressed, and its delimiter. Out: its records as lists of texts, without blank lines. Which
of them is the header, and what columns mean, is for the rooms that read tables; what is wrong is named here, with file
and line, so that each of them says it alike.
"""

from __future__ import annotations

import csv
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import UserError
from engine.storage.lines import read_lines

DELIMITERS = (",", "\t", ";", "|")
"""The usual delimiters of tables."""
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\w\r\n])"?', re.IGNORECASE)


def allow_long_fields() -> None:
    """Lets fields be as long as texts are; the csv module refuses those past 128 KiB by default."""
    csv.field_size_limit(sys.maxsize)


def named_delimiter(line: str) -> str:
    """Returns the delimiter that a first line names, as `sep=;` tells it to Excel; empty where it names none."""
    named = _SEPARATOR_LINE.fullmatch(line.rstrip("\r\n"))
    return named[1] if named else ""


def header_delimiter(file: Path) -> str:
    """Returns the delimiter of a table: the one that its first line names, or else parts its header into most names."""
    allow_long_fields()
    header = next((line for line in read_lines(file) if line.strip()), "")
    return named_delimiter(header) or max(
        DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), []))
    )


def csv_records(file: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Gives the records of a table with the line at which each starts, from 1, the header first.

    A line before the header that names the delimiter is no record.

    Args:
        file: the table.
        delimiter: the character between fields.

    Raises:
        UserError: broken quoting with file and line, or a file that cannot be read as text.
    """
    allow_long_fields()
    before = skipped_lines = _lines_before_header(file)
    reader = csv.reader(itertools.islice(read_lines(file), before, None), delimiter=delimiter, strict=True)
    try:
        for record in reader:
            if len(record) > 1 or (record and record[0].strip()):
                yield before + 1, record
            before = skipped_lines + reader.line_num
    except csv.Error as error:
        raise UserError(
            f"malformed CSV ({error})",
            where=f"{file}:{before + 1}",
            remedy='close every quote and write a quote inside a field as "", or convert the file to JSONL',
        ) from None


def _lines_before_header(file: Path) -> int:
    """Returns the number of lines up to the one that names the delimiter; 0 where none does."""
    first = next(((number, line) for number, line in enumerate(read_lines(file), 1) if line.strip()), (0, ""))
    return first[0] if named_delimiter(first[1]) else 0


def table_rows(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Gives the rows of a table with a header by the names of its columns, each with the file and line where it stands.

    A row whose fields are all blank, as a spreadsheet writes it behind the last one, is no row.

    Raises:
        UserError: as `csv_records`; two columns of one name, or a row with more or fewer fields than the header.
    """
    names: list[str] = []
    for line, record in csv_records(file, header_delimiter(file)):
        where = f"{file}:{line}"
        if not any(cell.strip() for cell in record):
            continue
        if not names:
            names = [name.strip() for name in record]
            check_names(names, where)
            continue
        check_length(record, names, where)
        yield where, dict(zip(names, record, strict=True))


def check_names(names: Sequence[str], where: str) -> None:
    """Refuses two columns of one name, of which one would be lost.

    Raises:
        UserError: there are two.
    """
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UserError(f"the column {twice!r} stands twice", where=where, remedy="give every column its own name")


def check_length(record: Sequence[str], names: Sequence[str], where: str, *, first: str = "header") -> None:
    """Refuses a record that has not as many fields as there are names.

    Args:
        record: the fields.
        names: of the columns.
        where: file and line of the record.
        first: what the names were found in.

    Raises:
        UserError: it has more or fewer.
    """
    if len(record) != len(names):
        raise UserError(
            f"{len(record)} fields where the {first} has {len(names)}",
            where=where,
            remedy='quote fields that hold the delimiter or line breaks ("..."), or convert the file to JSONL',
        )

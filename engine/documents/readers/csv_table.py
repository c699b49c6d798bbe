"""Reads tables in text files: finds the delimiter and the header, and gives the records.

In: a file. Out: records by the names of their columns, each with the line it starts at. A header that names a text
settles the delimiter, whatever it is. Without one, two columns of numbered texts are read as id and text, since they
can be nothing else; anything more doubtful is refused with the way out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.documents.readers.fields import ID_FIELDS, TEXT_FIELDS, TITLE_FIELDS, Fields, usual_names
from engine.storage.csv_records import allow_long_fields, check_length, check_names, csv_records, named_delimiter
from engine.storage.lines import read_lines

DELIMITERS = ("\t", "|", ";", ",")
"""The usual delimiters; one that is rarer in texts is preferred."""
SAMPLE_LINES = 200
"""The number of lines by which a table's form is settled."""
SAMPLE_CHARACTERS = 1 << 18
"""The characters after which fewer lines must do."""
LEAST_TEXT_CHARACTERS = 20
"""A file without a header is known by the text in its first line, which is so long or has several words."""

_WITHOUT_HEADER = ("id", "text")
"""The columns of a table that has no header."""


@dataclass(frozen=True)
class TableForm:
    """The form of a table, as the beginning of its file shows it."""

    delimiter: str
    header: tuple[str, ...]
    """Names of the columns."""
    has_header: bool = True
    """Whether the first record holds the names; else it is a row."""


def read_table(
    file: Path, fields: Fields, tell: Callable[[str], object] = lambda _: None
) -> Iterator[tuple[int, dict[str, object]]]:
    """Gives records by column name, each with the line at which it starts; blank lines are skipped.

    Args:
        file: a table, plain or gz-compressed.
        fields: names of the columns that were set.
        tell: is called with a sentence where the file has no header.

    Raises:
        UserError: broken quoting, a record of another length, no column with the text, or two of one name that may
            be read, with file and line.
    """
    allow_long_fields()
    form = find_form(file, fields)
    if form is None:
        return
    records = csv_records(file, form.delimiter)
    if form.has_header:
        line, _ = next(records)
        mark = "<TAB>" if form.delimiter == "\t" else form.delimiter
        hint = f"; where the first line is no header, add one such as {mark.join(('id', 'title', 'text'))}"
        fields.check(form.header, f"{file}:{line}", hint=hint)
        check_names(list(filter(fields.may_read, filter(None, form.header))), f"{file}:{line}")
    else:
        tell(f"{file} has no header: its first column is read as the id, its second as the text")
    for line, record in records:
        check_length(record, form.header, f"{file}:{line}", first="header" if form.has_header else "first line")
        yield line, dict(zip(form.header, record, strict=True))


def find_form(file: Path, fields: Fields) -> TableForm | None:
    """Finds delimiter and header of a table; None where the file holds nothing but blank lines.

    Args:
        file: a table.
        fields: names of the columns that were set, by which a header is known too.
    """
    lines = _sample(file)
    named = named_delimiter(lines[0]) if lines else ""
    lines = lines[1:] if named else lines
    if not lines:
        return None
    delimiter, records = _best_split(lines, (named,) if named else DELIMITERS, fields)
    header = tuple(name.strip() for name in records[0])
    if _is_header(header, fields) or not _are_numbered_texts(records):
        return TableForm(delimiter, header)
    return TableForm(delimiter, _WITHOUT_HEADER, has_header=False)


def _sample(file: Path) -> list[str]:
    """Reads the first lines of a file, without blank ones."""
    lines: list[str] = []
    characters = 0
    for line in read_lines(file):
        if line.strip("\r\n "):
            lines.append(line)
            characters += len(line)
        if len(lines) >= SAMPLE_LINES or characters >= SAMPLE_CHARACTERS:
            break
    return lines


def _best_split(lines: Sequence[str], marks: Sequence[str], fields: Fields) -> tuple[str, list[list[str]]]:
    """Finds the mark that parts the fields of the first lines, and gives their records.

    It is the mark by which the first record is a header with a text, else the first that parts all records alike. A
    mark that is not usual must do both.
    """
    unusual = _unusual_marks(lines[0]) if len(marks) > 1 else []
    splits = {mark: _split(lines, mark) for mark in (*marks, *unusual)}
    alike = [mark for mark, records in splits.items() if len(set(map(len, records))) == 1]
    named = [mark for mark in splits if _names_text(splits[mark][0], fields) and (mark in marks or mark in alike)]
    parting = [mark for mark in marks if mark in alike and len(splits[mark][0]) > 1]
    if parting and not named:
        return parting[0], splits[parting[0]]
    best = max(named or marks, key=lambda mark: (len(splits[mark][0]), mark in alike))
    return best, splits[best]


def _unusual_marks(header: str) -> list[str]:
    """Returns the characters of a header that are in no name: neither letters nor digits, nor what joins words."""
    return sorted({mark for mark in header if not mark.isalnum() and mark not in "_-. \"'\r\n"} - set(DELIMITERS))


def _split(lines: Sequence[str], mark: str) -> list[list[str]]:
    """Splits the first lines into records; the last of many is left out, since it may go on below them."""
    records = [record for record in csv.reader(lines, delimiter=mark) if record]
    is_cut = len(lines) >= SAMPLE_LINES - 1 or sum(map(len, lines)) >= SAMPLE_CHARACTERS
    return records[:-1] if is_cut and len(records) > 1 else records


def _names_text(header: Sequence[str], fields: Fields) -> bool:
    names = [name.strip() for name in header]
    return fields.text in names if fields.text else bool(usual_names(names, TEXT_FIELDS))


def _is_header(names: Sequence[str], fields: Fields) -> bool:
    """Tells whether a first record is a header: it names a usual column, or the user set a name."""
    usual = usual_names(names, (*ID_FIELDS, *TITLE_FIELDS, *TEXT_FIELDS))
    return bool(usual or fields.id or fields.title or fields.text)


def _are_numbered_texts(records: Sequence[Sequence[str]]) -> bool:
    """Tells whether all records are an id, which has a digit and no space, and a text."""
    if any(len(record) != len(_WITHOUT_HEADER) for record in records):
        return False
    names = [record[0].strip() for record in records]
    numbered = all(re.fullmatch(r"\S*\d\S*", name) for name in names) and len(set(names)) == len(names)
    text = records[0][1].strip()
    return numbered and (len(text) >= LEAST_TEXT_CHARACTERS or len(text.split()) > 1)

"""Reads one record into an example, or tells why it is none.

In: a record of a file, and what its columns mean. Out: its texts, score, labels and document. What is empty or broken
is a reason; nothing of a record is mended but white space at the ends of texts.
"""

from __future__ import annotations

import ast
import contextlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.artifacts.forms import TEXT, Form
from engine.given.columns import KEY as COLUMNS_KEY
from engine.given.columns import NONE, Columns, Role
from engine.given.json_files import UNANSWERABLE
from engine.given.source import Record
from engine.given.split_names import said_split

TEXT_ROLES = (Role.query, Role.passage, Role.negative, Role.text)
"""The roles whose columns are texts."""

_HIGHEST_WEIGHT = 1e30
"""A larger weight is a slip, and might be infinite where weights are float32."""


@dataclass(frozen=True, slots=True)
class Example:
    """A record that was read; where `reason` is not empty, values that it lacks are None."""

    values: Mapping[str, object]
    """By the columns of its form; a score is as the file has it."""
    document: str
    """The id of its document; empty where the record names none."""
    split: str
    """The split that the record or its file says; empty where neither does."""
    reason: str = ""
    """Why it is rejected; empty where it is not."""
    texts: tuple[str, ...] = ()
    """The texts by which records belong together: of graded pairs both, else the passage or the only text."""
    query: str = ""
    """The query of a pair or triplet, which must not be trained on where it is held out; empty of other forms."""
    negative: str = ""
    """The negative of a triplet, which must be no passage that is held out; empty of other forms."""


_QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_WRITTEN_LIST = re.compile(rf"\[\s*{_QUOTED}(?:\s*,\s*{_QUOTED})*\s*\]")
"""A list of texts as Python writes it, with commas: of texts without any, which arrays have, it would make one."""


class BrokenValue(Exception):  # noqa: N818  # no error of the program: the row is rejected with this reason
    """Why a value cannot be what its role asks for."""


def read_example(record: Record, columns: Columns) -> Example:
    """Reads a record; a broken one keeps the texts that it has, for whoever looks at rejected rows.

    Raises:
        UserError: its column of splits holds a word that says neither side.
    """
    values: dict[str, object] = {}
    reasons = [record.reason] if record.reason else []
    for role, name in columns.names.items():
        if role in (Role.document, Role.split):
            continue
        try:
            values[role.value] = _READERS[role](record.values.get(name))
        except BrokenValue as broken:
            values[role.value] = None
            reasons.append(f"{broken} {role.value}")
    if columns.form is not Form.graded and record.values.get(UNANSWERABLE) is True:
        reasons.append("unanswerable")  # SQuAD 2.0 has questions that their paragraph does not answer
    document = _name(_value(record, columns, Role.document))
    split = _said_split(record, columns) or record.split
    texts = () if reasons else tuple(str(values[name]) for name in _shared(columns.form))
    is_asked = columns.form in (Form.pairs, Form.triplets) and not reasons
    query = str(values[Role.query.value]) if is_asked else ""
    negative = str(values[Role.negative.value]) if columns.form is Form.triplets and not reasons else ""
    return Example(values, document, split, reasons[0] if reasons else "", texts, query, negative)


def _shared(form: Form) -> tuple[str, ...]:
    if form is Form.graded:
        return (Role.query.value, Role.passage.value)
    return (Role.passage.value,) if form in (Form.pairs, Form.triplets) else (TEXT,)


def read_text(value: object) -> str:
    """Returns a text without white space at its ends.

    Raises:
        BrokenValue: there is none, it is no text, or it holds half a character, which UTF-8 cannot write.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise BrokenValue("no")
    if not isinstance(value, (str, int, float)):
        raise BrokenValue("no text as")
    text = str(value).strip()
    if not text:
        raise BrokenValue("no")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BrokenValue("half a character in") from None
    return text


def read_score(value: object) -> float:
    """Returns a finite number.

    Raises:
        BrokenValue: there is none.
    """
    if isinstance(value, (str, int, float)):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
            if math.isfinite(number):
                return number
    raise BrokenValue("no number as")


def read_weight(value: object) -> float | None:
    """Returns how much a row counts, from 0 on; None where the row does not say it.

    Raises:
        BrokenValue: it is no such number.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip():
        return None
    with contextlib.suppress(BrokenValue):
        if 0 <= (number := read_score(value)) <= _HIGHEST_WEIGHT:
            return number
    raise BrokenValue("no number from 0 on as")


def read_labels(value: object) -> list[str]:
    """Returns the labels of a text, each once: one for a single value, those of a list, or of a list that is written.

    Tables of text have lists as JSON, or as Python writes them.

    Raises:
        BrokenValue: there is nothing (a list may be empty), or what there is cannot be labels.
    """
    if isinstance(value, str) and value.strip().startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            written = value.strip()
            value = ast.literal_eval(written) if _WRITTEN_LIST.fullmatch(written) else json.loads(written)
    labels = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(_label(label) for label in labels))


def _label(value: object) -> str:
    is_whole = isinstance(value, float) and value.is_integer()  # a column with gaps has 1.0 for 1
    return read_text(int(value) if is_whole else value)  # type: ignore[call-overload]


_READERS: Mapping[Role, Callable[[object], object]] = {
    **dict.fromkeys(TEXT_ROLES, read_text),
    Role.score: read_score,
    Role.labels: read_labels,
    Role.weight: read_weight,
}


def _name(value: object) -> str:
    """Returns the name of a document; empty where there is none."""
    try:
        return read_text(value)
    except BrokenValue:
        return ""


def _said_split(record: Record, columns: Columns) -> str:
    """Returns the split that a record says; empty where it says none."""
    value = _value(record, columns, Role.split)
    if value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip():
        return ""
    otherwise = f"or say that the column {columns.names[Role.split]!r} is none: {COLUMNS_KEY}.{Role.split.value}={NONE}"
    return said_split(str(value).strip(), record.place, otherwise)


def _value(record: Record, columns: Columns, role: Role) -> object:
    """Returns the value of a role that not every file has a column for."""
    return record.values.get(columns.names[role]) if role in columns.names else None

"""Opens a file of examples: its records, and what its columns mean by the first of them.

In: which files. Out: all records, from the first on, and the column of each role. A column that a user named is looked
for in all of them, since a row of JSON lines may have what the rows before it lack.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.artifacts.forms import COLUMNS, Form
from engine.errors import UserError
from engine.given.columns import Columns, Role, find_columns, named_columns, usual_role
from engine.given.config import GivenConfig
from engine.given.source import KEY, Record, read_records

LOOK_ROWS = 1000
"""The rows by which columns are found, or fewer long ones."""
_LOOK_CHARACTERS = 1 << 24
_OF_QUERIES = frozenset({Role.negative, Role.score, Role.document, Role.split})
"""The roles that change what rows of queries and passages are, or on which side they are."""
_OF_TEXTS = frozenset({Role.query, Role.passage, Role.labels, Role.document, Role.split})
"""The same for rows of texts."""


@dataclass(frozen=True)
class Opened:
    """A file of examples that is about to be read."""

    records: Iterator[Record]
    """All of them."""
    columns: Columns
    names: tuple[str, ...]
    """The columns that were seen when their meaning was found."""
    key: str
    """The config key that columns are named under; empty where nobody can name them."""


def open_examples(config: GivenConfig) -> Opened:
    """Opens the files, and finds what their columns mean.

    Raises:
        UserError: there are no rows, a file is malformed, columns are doubtful, or of a form that generated pairs are
            not mixed with.
    """
    source = config.source()
    records = read_records(source)
    first: list[Record] = []
    characters = 0
    for record in records:
        first.append(record)
        characters += sum(len(value) for value in record.values.values() if isinstance(value, str))
        if len(first) == LOOK_ROWS or characters >= _LOOK_CHARACTERS:
            break
    if not first:
        remedy = "name a file with at least one row"
        raise UserError("holds no rows", where=f"{config.key}={config.path}", remedy=remedy)
    names = list(dict.fromkeys(name for record in first for name in record.values))
    if missing := set(named_columns(config.columns).values()).difference(names):
        names += _found_later(records, missing)
        first, records = [], read_records(source)
    columns = _find_columns(config, names)
    _check_mixed(config, columns.form)
    return Opened(itertools.chain(first, records), columns, tuple(names), config.columns_key())


def _found_later(records: Iterator[Record], missing: set[str]) -> list[str]:
    """Looks for columns in further records, and returns those that are there."""
    found: list[str] = []
    for record in records:
        found += [name for name in record.values if name in missing and name not in found]
        if len(found) == len(missing):
            break
    return found


class LateColumns:
    """Notes columns that no row had by which the meaning of columns was found, and that might have changed it.

    Args:
        opened: the file.
    """

    def __init__(self, opened: Opened) -> None:
        self._known, self._key = set(opened.names), opened.key
        of_form = _OF_QUERIES if Role.query in opened.columns.names else _OF_TEXTS
        if opened.columns.form is Form.labelled and opened.key:
            of_form |= {Role.weight}
        self._roles = of_form - set(opened.columns.names) - opened.columns.absent
        self._notes: list[str] = []

    def look(self, record: Record) -> None:
        """Looks at the columns of a record."""
        if self._known.issuperset(record.values):
            return
        for name in record.values:
            if name not in self._known:
                self._known.add(name)
                if (role := usual_role(name)) in self._roles:
                    assert role, "a role is among them"
                    name_it = f"{self._key}.{role.value}={name} reads it"
                    remedy = name_it if self._key else "give it to the first rows too"
                    self._notes.append(f"the column {name!r} first stands at {record.place}, and is not read: {remedy}")

    def notes(self) -> list[str]:
        """Returns a line for each such column."""
        return self._notes


def _find_columns(config: GivenConfig, names: Sequence[str]) -> Columns:
    """Finds what columns mean.

    Of a file that a report is told of nobody can name them; there each text counts once, so that none is a weight.
    """
    where, key = f"{config.key}={config.path}", config.columns_key()
    if key:
        return find_columns(names, config.columns, config.form, where, key)
    assert config.form, "a report tells what its files are"
    try:
        return find_columns([name for name in names if usual_role(name) is not Role.weight], {}, config.form, where)
    except UserError as error:
        remedy = f"name its columns {', '.join(COLUMNS[config.form])}, and no others alike"
        raise UserError(error.what, where=where, remedy=remedy) from error


def _check_mixed(config: GivenConfig, form: Form) -> None:
    if config.beside_generated and form is not Form.pairs:
        raise UserError(
            f"holds examples of the form {form.value!r}, and generated ones are pairs",
            where=f"{KEY}={config.path}",
            remedy="train on them alone, without documents; or read queries and passages only: examples.form=pairs",
        )

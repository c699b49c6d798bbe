"""Finds out what the columns of given examples mean, and with that their form.

In: the names of the columns, and the names and the form that the user set. Out: the form, and the column of each role.
Names left open are found among usual ones, unless the user says that there is no such column. Where two columns could
be meant, or none, nothing is guessed: the error names the columns that there are, and the key to set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from engine.artifacts.forms import COLUMNS, Form
from engine.errors import UserError, suggest

KEY = "examples.columns"
"""The config key of the names, unless those of another file are meant."""
NONE = "none"
"""In the place of a name: no column has this role, whatever the columns are called."""
_SHOWN_NAMES = 20
"""The most names that a message lists."""


class Role(Enum):
    """What a column is for."""

    query = "query"
    passage = "passage"
    negative = "negative"
    score = "score"
    text = "text"
    labels = "labels"
    weight = "weight"
    document = "document"
    split = "split"


_TITLE = "title"
"""The title of a passage stands for its article; that of a review is no document."""
USUAL = {
    Role.query: ("query", "question", "anchor", "sentence1", "sentence_1", "text_a", "text1", "sentence_a"),
    Role.passage: (
        *("passage", "positive", "context", "document", "paragraph", "answer"),
        *("sentence2", "sentence_2", "text_b", "text2", "sentence_b"),
    ),
    Role.negative: ("negative", "hard_negative"),
    Role.score: ("score", "similarity", "similarity_score", "label", "labels.label"),
    Role.text: ("text", "sentence", "review", "document", "content", "comment"),
    Role.labels: ("labels", "label", "category", "class", "sentiment", "intent"),
    Role.weight: ("weight", "sample_weight", "example_weight"),
    Role.document: ("document_id", "doc_id", "docid", "passage_id", "article", _TITLE),
    Role.split: ("split",),
}
"""Names that people give to columns, in lower case and with `_` for blanks and hyphens."""
_OF_FORMS = frozenset(Role(column) for columns in COLUMNS.values() for column in columns)
"""The roles without whose columns rows would not be of their form; the others can be left out."""
_FIRST_COUNTS = (Role.document,)
"""The roles in which an earlier usual name is preferred; for all others two usual names are doubtful."""


@dataclass(frozen=True)
class _Seen:
    """What messages say of a file: its columns, what holds them, and the key that they are named under."""

    names: Sequence[str]
    where: str
    key: str


@dataclass(frozen=True)
class Columns:
    """What the columns of a file mean."""

    form: Form
    names: Mapping[Role, str]
    """The column of each role that rows are read by."""
    absent: frozenset[Role] = frozenset()
    """The roles that the user says no column has."""


def named_columns(chosen: Mapping[str, str]) -> dict[str, str]:
    """Returns the columns that a user named, by role, without the roles that no column is to have."""
    return {role: name for role, name in chosen.items() if name != NONE}


def find_columns(
    names: Sequence[str], chosen: Mapping[str, str], form: Form | None, where: str, key: str = KEY
) -> Columns:
    """Finds the column of each role.

    Args:
        names: the columns that there are.
        chosen: the columns that the user named, by role; `NONE`: no column has the role.
        form: what the user says that a row is; None: found by the roles that there are.
        where: what holds the columns, for messages.
        key: the config key that columns are named under, for messages.

    Raises:
        UserError: a column that the user named is not there, two could be meant, or they make no form.
    """
    named, seen = named_columns(chosen), _Seen(names, where, key)
    absent = frozenset(role for role in Role if chosen.get(role.value) == NONE)
    _check_named(chosen, seen)
    candidates = {role: [] if role in absent else _candidates(role, names, named) for role in Role}
    form = form or _form(candidates, seen)
    if form is not Form.labelled and Role.weight.value in named:
        where = f"{key}.{Role.weight.value}={named[Role.weight.value]}"
        raise UserError(f"labelled texts have weights, and these are {form.value}", where=where, remedy="leave it out")
    roles = [Role(column) for column in COLUMNS[form]]
    for role in roles:
        if not candidates[role]:
            raise _missing(role, f"{form.value} have a column for the {role.value}, and none looks like it", seen)
    found = {role: _only(role, candidates[role], seen) for role in roles}
    taken = list(found.values())
    if twice := next((name for name in taken if taken.count(name) > 1), ""):
        role = next(role for role in roles if found[role] == twice)
        raise _missing(role, f"the column {twice!r} would be two things at once", seen)
    for role in (Role.weight, Role.document, Role.split):
        free = [name for name in candidates[role] if name not in taken and _may_be(role, name, form, named)]
        if free:
            found[role] = _only(role, free, seen)
    return Columns(form, found, absent)


def _check_named(chosen: Mapping[str, str], seen: _Seen) -> None:
    """Refuses a name that no column has, and to leave a column out by a name that a column has.

    Raises:
        UserError: with the role's key.
    """
    for role, name in chosen.items():
        where = f"{seen.key}.{role}={name}"
        if name == NONE and name in seen.names:
            what = f"says that there is no such column, and a column of {seen.where} is called {name!r}"
            raise UserError(what, where=where, remedy="call that column otherwise")
        if name not in (*seen.names, NONE):
            remedy = suggest(name, seen.names) if seen.names else "the rows have no columns"
            raise UserError(f"no column {name!r} in {seen.where}", where=where, remedy=remedy)


def usual_role(name: str) -> Role | None:
    """Returns the first role that a column may have by its name; None where it has none of the usual ones."""
    return next((role for role, names in USUAL.items() if _plain(name) in names), None)


def _candidates(role: Role, names: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """Returns the columns that may have a role: the one that the user named, else all of usual names."""
    if role.value in chosen:
        return [chosen[role.value]]
    free = [name for name in names if name not in chosen.values()]
    return [name for usual in USUAL[role] for name in free if _plain(name) == usual]


def _may_be(role: Role, name: str, form: Form, chosen: Mapping[str, str]) -> bool:
    if role is Role.weight:
        return form is Form.labelled
    is_article = form in (Form.pairs, Form.triplets) or _plain(name) != _TITLE
    return role is not Role.document or role.value in chosen or is_article


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _form(candidates: Mapping[Role, Sequence[str]], seen: _Seen) -> Form:
    """Tells what rows are by the roles that have a column."""
    if candidates[Role.query] and candidates[Role.passage]:
        if candidates[Role.negative]:
            return Form.triplets
        return Form.graded if candidates[Role.score] else Form.pairs
    if candidates[Role.query]:
        hint = f"a text with a label is named by {seen.key}.text"
        raise _missing(Role.passage, f"has queries, and no column looks like their passages ({hint})", seen)
    if candidates[Role.text]:
        return Form.labelled if candidates[Role.labels] else Form.texts
    raise _missing(Role.query, "no column looks like queries, and none like texts", seen)


def _only(role: Role, candidates: Sequence[str], seen: _Seen) -> str:
    if len(candidates) > 1 and role not in _FIRST_COUNTS:
        what = f"{' and '.join(map(repr, candidates))} could both be the {role.value}"
        raise _missing(role, what, seen)
    return candidates[0]


def _missing(role: Role, what: str, seen: _Seen) -> UserError:
    listed = ", ".join(seen.names[:_SHOWN_NAMES]) + (", ..." if len(seen.names) > _SHOWN_NAMES else "")
    remedy = f"set {seen.key}.{role.value} to one of: {listed or '(there is no column)'}"
    if role not in _OF_FORMS:
        remedy += f", or to {NONE}"
    return UserError(what, where=seen.where, remedy=remedy)

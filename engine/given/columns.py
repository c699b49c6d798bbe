"""Finds out what the columns of given examples mean, and with that their form.

In: the names of the columns, and the names and the form that the user set. Out: the form, and the column of each role.
Names left open are found among usual ones. Where two columns could be meant, or none, nothing is guessed: the error
names the columns that there are, and the key to set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from engine.artifacts.forms import COLUMNS, Form
from engine.errors import UserError, suggest

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
_FIRST_COUNTS = (Role.document,)
"""The roles in which an earlier usual name is preferred; for all others two usual names are doubtful."""


@dataclass(frozen=True)
class Columns:
    """What the columns of a file mean."""

    form: Form
    names: Mapping[Role, str]
    """The column of each role that rows are read by."""


def find_columns(names: Sequence[str], chosen: Mapping[str, str], form: Form | None, where: str) -> Columns:
    """Finds the column of each role.

    Args:
        names: the columns that there are.
        chosen: the columns that the user named, by role.
        form: what the user says that a row is; None: found by the roles that there are.
        where: what holds the columns, for messages.

    Raises:
        UserError: a column that the user named is not there, two could be meant, or they make no form.
    """
    for key, name in chosen.items():
        if name not in names:
            raise UserError(
                f"no column {name!r} in {where}",
                where=f"examples.columns.{key}={name}",
                remedy=suggest(name, names) if names else "the rows have no columns",
            )
    candidates = {role: _candidates(role, names, chosen) for role in Role}
    form = form or _form(candidates, names, where)
    if form is not Form.labelled and Role.weight.value in chosen:
        where = f"examples.columns.{Role.weight.value}={chosen[Role.weight.value]}"
        raise UserError(f"labelled texts have weights, and these are {form.value}", where=where, remedy="leave it out")
    roles = [Role(column) for column in COLUMNS[form]]
    for role in roles:
        if not candidates[role]:
            raise _missing(
                role, f"{form.value} have a column for the {role.value}, and none looks like it", names, where
            )
    found = {role: _only(role, candidates[role], names, where) for role in roles}
    taken = list(found.values())
    if twice := next((name for name in taken if taken.count(name) > 1), ""):
        role = next(role for role in roles if found[role] == twice)
        raise _missing(role, f"the column {twice!r} would be two things at once", names, where)
    for role in (Role.weight, Role.document, Role.split):
        free = [name for name in candidates[role] if name not in taken and _may_be(role, name, form, chosen)]
        if free:
            found[role] = _only(role, free, names, where)
    return Columns(form, found)


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


def _form(candidates: Mapping[Role, Sequence[str]], names: Sequence[str], where: str) -> Form:
    """Tells what rows are by the roles that have a column."""
    if candidates[Role.query] and candidates[Role.passage]:
        if candidates[Role.negative]:
            return Form.triplets
        return Form.graded if candidates[Role.score] else Form.pairs
    if candidates[Role.query]:
        hint = "a text with a label is named by examples.columns.text"
        raise _missing(Role.passage, f"has queries, and no column looks like their passages ({hint})", names, where)
    if candidates[Role.text]:
        return Form.labelled if candidates[Role.labels] else Form.texts
    raise _missing(Role.query, "no column looks like queries, and none like texts", names, where)


def _only(role: Role, candidates: Sequence[str], names: Sequence[str], where: str) -> str:
    if len(candidates) > 1 and role not in _FIRST_COUNTS:
        what = f"{' and '.join(map(repr, candidates))} could both be the {role.value}"
        raise _missing(role, what, names, where)
    return candidates[0]


def _missing(role: Role, what: str, names: Sequence[str], where: str) -> UserError:
    listed = ", ".join(names[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "")
    remedy = f"set examples.columns.{role.value} to one of: {listed or '(there is no column)'}"
    return UserError(what, where=where, remedy=remedy)

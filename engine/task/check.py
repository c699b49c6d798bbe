"""Checks a task before any engine starts: renders every turn once, and looks up the names that filters use.

In: a compiled task and values of its conditions. Out: nothing, or an error that names the key in the task. Passages and
what earlier turns give are not there yet, so stand-ins of the right kind are rendered in their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import UserError, suggest
from engine.task.compiled import Task
from engine.task.render import Ask
from engine.task.scores import check_continuation
from engine.task.templates import names_used, undeclared_names
from engine.task.turns import Turn, as_template

_STAND_INS: dict[str, object] = {"int64": 1, "double": 1.0, "bool": True, "list<item: float>": [0.0]}
"""The stand-in for a field, by the type of its column; a text stands in for a field of any other type."""


def check_turns(task: Task, conditions: Mapping[str, str], row: Mapping[str, Any] | None = None) -> None:
    """Renders every turn once, with stand-ins for what earlier turns give and for a passage, or about one row.

    Args:
        task: the task, with the demonstration sets that its prompts show; the first of them is rendered.
        conditions: a value of each condition, by name.
        row: the columns of one row, where prompts are about rows and not about passages.

    Raises:
        UserError: a turn cannot be rendered, or its filter names what is not there.
    """
    passage = {} if row else {"title": "", "text": ""}
    about = {"row": list(row)} if row else {"passage": list(passage)}
    filled = {} if row else {"title": "x", "text": "x"}
    answers: dict[str, dict[str, Any]] = {}
    for name, renderer in task.renderers.items():
        renderer.text(Ask(passage, 0, conditions, answers, row or {}))
        if renderer.turn.config.continuation:
            values = {name: value or "x" for name, value in conditions.items()}
            ask = Ask(filled, 0, values, answers, row or {})
            check_continuation(renderer.continuation(ask), renderer.turn.where)
        answers[name] = stand_in(renderer.turn, "x")
        known = {"condition": list(conditions), "turns": list(answers), **about}
        _check_filter(renderer.turn, known)


def _check_filter(turn: Turn, known: Mapping[str, Sequence[str]]) -> None:
    """Looks up the names in a turn's `keep_if`, since it is computed only when the turn has been answered."""
    source, where = as_template(turn.config.keep_if), f"{turn.where}.keep_if"
    valid = {"text", "field", *known}
    for name in sorted(undeclared_names(source) - valid):
        raise UserError(f"there is no {name!r}", where=where, remedy=suggest(name, valid))
    fields = {} if turn.has_open_fields else {"field": list(turn.field_types())}
    for variable, names in {**known, **fields}.items():
        try:
            unknown = sorted(names_used(source, variable) - set(names))
        except LookupError:
            continue  # the variable is used as a whole
        if unknown:
            remedy = suggest(unknown[0], names) if names else f"this turn has no {variable}"
            raise UserError(f"there is no {variable}.{unknown[0]}", where=where, remedy=remedy)


def stand_in(turn: Turn, text: str) -> dict[str, Any]:
    """Returns what templates of later turns may read of a turn that has not been answered yet.

    Args:
        turn: the turn.
        text: what its texts are taken to be.
    """
    fields = {name: _STAND_INS.get(str(kind), text) for name, kind in turn.field_types().items()}
    return (_AnyField if turn.has_open_fields else dict)({**fields, "text": text, "reasoning": text})


class _AnyField(dict[str, Any]):
    """The fields of an answer without a schema: any name is one, since the answer alone tells which there are."""

    def __missing__(self, name: str) -> str:
        return ""

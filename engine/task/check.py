"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import UserError, suggest
from engine.task.config import ParserKind, TaskConfig
from engine.task.render import Demonstration, Renderer, parse_cell
from engine.task.templates import names_used, undeclared_names
from engine.task.turns import Turn, as_template, resolve_turns, turn_needs


def check_turns(task: TaskConfig, sets: Sequence[Sequence[Demonstration]], cell: str) -> None:
    """Renders every turn once, with stand-ins for a passage and for what earlier turns give.

    Raises:
        UserError: a turn cannot be rendered, or reads what does not come before it.
    """
    turns = resolve_turns(task)
    turn_needs(turns)
    seen: dict[str, Any] = {}
    for name, turn in turns.items():
        Renderer(task, sets, name).text({"title": "", "text": ""}, 0, cell, seen)
        seen[name] = stand_in(turn, "x")
        _check_filter(turn, {"condition": list(parse_cell(cell)), "turns": list(seen), "passage": ["title", "text"]})


def _check_filter(turn: Turn, known: Mapping[str, Sequence[str]]) -> None:
    """Holds the names in a turn's `keep_if` against those that there are, since it is computed only in the end."""
    source, where = as_template(turn.config.keep_if), f"{turn.where}.keep_if"
    valid = {"text", "field", *known}
    for name in sorted(undeclared_names(source) - valid):
        raise UserError(f"there is no {name!r}", where=where, remedy=suggest(name, valid))
    free = turn.config.parser is ParserKind.json and not turn.config.json_schema
    for variable, names in {**known, **({} if free else {"field": list(turn.field_types())})}.items():
        try:
            unknown = sorted(names_used(source, variable) - set(names))
        except LookupError:
            continue  # used as a whole
        if unknown:
            remedy = suggest(unknown[0], names) if names else f"this turn has no {variable}"
            raise UserError(f"there is no {variable}.{unknown[0]}", where=where, remedy=remedy)


def stand_in(turn: Turn, text: str) -> dict[str, Any]:
    """What templates of later turns may read of a turn that has given nothing yet."""
    known = {field: _STAND_INS.get(str(kind), text) for field, kind in turn.field_types().items()}
    free = turn.config.parser is ParserKind.json and not turn.config.json_schema
    return (_AnyField if free else dict)({**known, "text": text, "reasoning": text})


_STAND_INS: dict[str, object] = {"int64": 1, "double": 1.0, "bool": True}


class _AnyField(dict[str, Any]):
    """What an answer without a schema may hold is known only when it is there."""

    def __missing__(self, name: str) -> str:
        return ""

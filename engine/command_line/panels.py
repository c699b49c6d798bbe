"""One sample as a person reads it, turn by turn: what was asked, what came back, why it failed.

In: the renderers of a task, a planned row with its passage and, once it is written, the row of its sample. Out: panels
for the terminal. Prompts are rendered anew, the later ones with the answers that the sample's columns hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.errors import UserError
from engine.task.answers import Answer
from engine.task.check import stand_in
from engine.task.config import ParserKind
from engine.task.render import parse_cell
from engine.task.turns import ONLY_TURN, Turn

if TYPE_CHECKING:
    from engine.task.render import Renderer


_DIGITS = 4
"""Significant digits of figures that are no whole numbers."""


@dataclass(frozen=True)
class Exchange:
    """One turn of one sample: what was asked and what came back."""

    turn: str
    """Its name; empty where the task has just one."""
    prompt: str
    """Empty where the sample failed because the prompt cannot be rendered."""
    reasoning: str = ""
    answer: str | None = None
    """What the model wrote; None where it was not asked."""
    error: str = ""
    """Why the sample failed at this turn."""


def planned_exchanges(renderers: Mapping[str, Renderer], row: Mapping[str, Any]) -> list[Exchange]:
    """What would be asked; of earlier turns, later prompts show a stand-in.

    Args:
        renderers: of each turn, in the order of the task.
        row: of the plan, with `title` and `text` of its passage.
    """
    shown: list[Exchange] = []
    seen: dict[str, dict[str, Any]] = {}
    for name, renderer in renderers.items():
        prompt = renderer.text(row, row["demonstration_set"], row["cell"], seen)
        shown.append(Exchange(_label(name, renderers), prompt))
        seen[name] = stand_in(renderer.turn, f"({name})")
    return shown


def written_exchanges(
    renderers: Mapping[str, Renderer], row: Mapping[str, Any], sample: Mapping[str, Any]
) -> list[Exchange]:
    """What was asked and answered, up to the turn at which a sample failed.

    Args:
        renderers: of each turn, in the order of the task.
        row: of the plan, with `title` and `text` of its passage.
        sample: the row of the samples folder.
    """
    turns = {name: renderer.turn for name, renderer in renderers.items()}
    answers, failed = stored_answers(turns, sample), failed_turn(turns, sample)
    shown: list[Exchange] = []
    seen: dict[str, dict[str, Any]] = {}
    for name, renderer in renderers.items():
        label, prompt = _label(name, renderers), _asked(renderer, row, seen) if name in {failed, *answers} else ""
        if name in answers:
            shown.append(Exchange(label, prompt, answers[name].reasoning, answers[name].text))
            seen[name] = answers[name].view()
        elif name == failed:
            shown.append(Exchange(label, prompt, answer=sample["text"] or None, error=sample["error"]))
    return shown


def stored_answers(turns: Mapping[str, Turn], sample: Mapping[str, Any]) -> dict[str, Answer]:
    """The answers of a sample, by turn, from its columns: the inverse of `turns.answer_values`."""
    *earlier, last = turns
    texts = {name: sample[f"turn_{name}"] for name in earlier}
    texts[last] = None if sample["error"] else sample["text"]
    return {
        name: Answer(text, sample.get(f"reasoning_{name}") or "", _fields(turns[name], text, sample))
        for name, text in texts.items()
        if text is not None
    }


def failed_turn(turns: Mapping[str, Turn], sample: Mapping[str, Any]) -> str:
    """The turn at which a sample failed; empty for one that did not."""
    if not sample["error"]:
        return ""
    named = (name for name in turns if sample["error"].startswith(f"turn {name}: "))
    return next(named, ONLY_TURN if ONLY_TURN in turns else next(iter(turns)))


def panels(shown: Iterable[Exchange], row: Mapping[str, Any], head: str = "") -> list[Panel]:
    """A panel for each turn; the first begins with `head`."""
    of_sample = f"sample {row['sample_id']} · {row['passage_id']}"
    made: list[Panel] = []
    for exchange in shown:
        title = f"turn {exchange.turn} · {of_sample}" if exchange.turn else of_sample
        made.append(Panel(Group(*_parts(exchange, "" if made else head)), title=Text(title)))
    return made


def conditions(cell: str) -> dict[str, str]:
    """Condition values, as they are shown."""
    return {name: value or "(none)" for name, value in parse_cell(cell).items()}


def conditions_line(cell: str) -> str:
    """`form: question · length: short`; empty without conditions."""
    return " · ".join(f"{name}: {value}" for name, value in conditions(cell).items())


def facts(title: str, values: Mapping[str, object]) -> Panel:
    """Names and values, one per line; what has no value is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        if value is not None and value != "" and value == value:  # noqa: PLR0124  # NaN stands for what was not measured
            text = f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)
            table.add_row(Text(name, style="bold"), Text(text))
    return Panel(table, title=Text(title))


def _label(name: str, renderers: Mapping[str, Renderer]) -> str:
    return name if len(renderers) > 1 else ""


def _asked(renderer: Renderer, row: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    try:
        return renderer.text(row, row["demonstration_set"], row["cell"], seen)
    except UserError:  # it is why the sample failed, and the sample's error says so
        return ""


def _fields(turn: Turn, text: str, sample: Mapping[str, Any]) -> dict[str, Any]:
    """What was parsed of an answer. A JSON answer is read again: columns hold its scalars only as they are."""
    config = turn.config
    if config.choice:
        return {}
    if config.regex:
        return {name: sample[f"field_{name}"] for name in turn.field_types()}
    if config.json_schema or config.parser is ParserKind.json:
        value = json.loads(text)
        return value if isinstance(value, dict) else {}
    return {"items": json.loads(sample["field_items"])} if config.parser is ParserKind.list else {}


def _parts(exchange: Exchange, head: str) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(head, style="cyan"), Rule(style="dim")] if head else []
    parts += [Text(exchange.prompt)] if exchange.prompt else []
    came_back = {
        "reasoning": exchange.reasoning or None,
        "written" if exchange.error else "answer": exchange.answer,
        "failed": exchange.error or None,
    }
    for heading, text in came_back.items():
        if text is not None:
            parts += [Rule(heading, align="left", style="dim"), Text(text or "(nothing)")]
    return parts

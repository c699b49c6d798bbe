"""Shows one sample as a person reads it, turn by turn: what was asked, what came back, why it failed.

In: a compiled task, a planned row with its passage and, once it is written, the row of its sample. Out: panels for the
terminal. Prompts are rendered anew, the later ones with the answers that the sample's columns hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.errors import UserError
from engine.task.check import stand_in
from engine.task.turns import ONLY_TURN

if TYPE_CHECKING:
    from engine.artifacts.prompts import PlannedRow
    from engine.task.answers import Answer
    from engine.task.compiled import Task
    from engine.task.render import Renderer

_DIGITS = 4
"""The significant digits of figures that are no whole numbers."""


@dataclass(frozen=True)
class Exchange:
    """One turn of one sample: what was asked and what came back."""

    turn: str
    """The name of the turn; empty where the task has just one."""
    prompt: str
    """The prompt; empty where the sample failed because it cannot be rendered."""
    reasoning: str = ""
    answer: str | None = None
    """The text that the model wrote; None where it was not asked."""
    error: str = ""
    """The reason why the sample failed at this turn."""
    scored: str = ""
    """What is scored at a turn at which nothing is written, and once it was, the scores."""


def planned_exchanges(task: Task, row: PlannedRow) -> list[Exchange]:
    """Returns what would be asked, up to a turn that cannot be; of earlier turns, later prompts show a stand-in.

    Args:
        task: with the demonstration sets of the plan.
        row: a planned sample.
    """
    shown: list[Exchange] = []
    seen: dict[str, dict[str, Any]] = {}
    for name, renderer in task.renderers.items():
        ask = row.ask(seen)
        try:
            prompt, scoring = renderer.text(ask), task.scoring(name, ask)
        except UserError as error:  # the sample will fail alone
            return [*shown, Exchange(_label(name, task), "", error=str(error))]
        scored = " | ".join(scoring.continuations) if scoring else ""
        shown.append(Exchange(_label(name, task), prompt, scored=scored))
        seen[name] = stand_in(renderer.turn, f"({name})")
    return shown


def written_exchanges(task: Task, row: PlannedRow, sample: Mapping[str, Any]) -> list[Exchange]:
    """Returns what was asked and answered, up to the turn at which a sample failed.

    Args:
        task: with the demonstration sets of the plan.
        row: a planned sample.
        sample: its row of the samples folder, by column.
    """
    answers, failed = task.stored_answers(sample), failed_turn(task, sample)
    shown: list[Exchange] = []
    seen: dict[str, dict[str, Any]] = {}
    for name, renderer in task.renderers.items():
        prompt = _text_where_it_can(renderer, row, seen) if name in {failed, *answers} else ""
        if name in answers:
            scored = _scores(answers[name]) if renderer.turn.is_scored else ""
            shown.append(
                Exchange(_label(name, task), prompt, answers[name].reasoning, answers[name].text, scored=scored)
            )
            seen[name] = answers[name].view()
        elif name == failed:
            shown.append(Exchange(_label(name, task), prompt, answer=sample["text"] or None, error=sample["error"]))
    return shown


def failed_turn(task: Task, sample: Mapping[str, Any]) -> str:
    """Returns the name of the turn at which a sample failed; empty for one that did not."""
    if not sample["error"]:
        return ""
    named = (name for name in task.turns if sample["error"].startswith(f"turn {name}: "))
    return next(named, ONLY_TURN if ONLY_TURN in task.turns else next(iter(task.turns)))


def panels(shown: Iterable[Exchange], row: PlannedRow, head: str = "") -> list[Panel]:
    """Makes one panel for each turn; the first begins with `head`."""
    of_sample = f"sample {row.sample_id} · {row.passage_id}"
    made: list[Panel] = []
    for exchange in shown:
        title = f"turn {exchange.turn} · {of_sample}" if exchange.turn else of_sample
        made.append(Panel(Group(*_parts(exchange, "" if made else head)), title=Text(title)))
    return made


def shown_conditions(conditions: Mapping[str, str]) -> dict[str, str]:
    """Returns the values of conditions, by name, with a word in place of an empty value."""
    return {name: value or "(none)" for name, value in conditions.items()}


def conditions_line(conditions: Mapping[str, str]) -> str:
    """Writes the values of conditions on one line, `form: question · length: short`; empty without conditions."""
    return " · ".join(f"{name}: {value}" for name, value in shown_conditions(conditions).items())


def facts(title: str, values: Mapping[str, object]) -> Panel:
    """Makes a panel of names and values, one per line; what has no value is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        if value is not None and value != "" and value == value:  # noqa: PLR0124  # NaN stands for what was not measured
            text = f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)
            table.add_row(Text(name, style="bold"), Text(text))
    return Panel(table, title=Text(title))


def _scores(answer: Answer) -> str:
    """Writes the scores of a turn on one line, `yes: 0.73 · no: 0.27`; of a list its length."""
    figures = {
        name: f"{len(value)} tokens" if isinstance(value, list) else f"{value:.{_DIGITS}g}"
        for name, value in answer.fields.items()
    }
    return " · ".join(f"{name}: {figure}" for name, figure in figures.items())


def _label(name: str, task: Task) -> str:
    return name if len(task.turns) > 1 else ""


def _text_where_it_can(renderer: Renderer, row: PlannedRow, seen: Mapping[str, Mapping[str, Any]]) -> str:
    try:
        return renderer.text(row.ask(seen))
    except UserError:  # the sample's error says so
        return ""


def _parts(exchange: Exchange, head: str) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(head, style="cyan"), Rule(style="dim")] if head else []
    parts += [Text(exchange.prompt)] if exchange.prompt else []
    came_back = {
        "reasoning": exchange.reasoning or None,
        "written" if exchange.error else "answer": exchange.answer,
        "scored": exchange.scored or None,
        "failed": exchange.error or None,
    }
    for heading, text in came_back.items():
        if text is not None:
            parts += [Rule(heading, align="left", style="dim"), Text(text or "(nothing)")]
    return parts

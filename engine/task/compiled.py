"""A task, checked and compiled once: its turns, what each reads, a renderer for each, the columns that they fill.

In: a TaskConfig (conf/task/*.yaml) and demonstration sets. Out: a Task, which renders prompts, reads answers, and says
which columns of a sample hold them. Schemas, regular expressions and templates are compiled here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from engine.task.answers import Answer, column_value
from engine.task.config import ParserKind, TaskConfig
from engine.task.render import Ask, Demonstration, Renderer, make_renderer
from engine.task.scores import Scoring, scoring_of
from engine.task.turns import Turn, resolve_turns, turn_needs


@dataclass(frozen=True)
class Task:
    """A compiled task, as `compile_task` makes it. All mappings have the turns in the order of the task."""

    config: TaskConfig
    turns: dict[str, Turn]
    needs: dict[str, frozenset[str]]
    """The earlier turns that each turn reads, by name."""
    renderers: dict[str, Renderer]

    @property
    def first(self) -> Renderer:
        """The renderer of the first turn, the only one whose prompts are known when samples are planned."""
        return next(iter(self.renderers.values()))

    def with_sets(self, sets: Sequence[Sequence[Demonstration]]) -> Task:
        """Returns the same task, whose prompts show other demonstrations."""
        return replace(self, renderers={name: renderer.with_sets(sets) for name, renderer in self.renderers.items()})

    def output_limit(self, max_tokens: int) -> int:
        """Returns how many output tokens a sample may take over all its turns.

        Args:
            max_tokens: the limit of a turn that has none of its own.
        """
        written = (turn.config for turn in self.turns.values() if not turn.is_scored)
        return sum(config.max_tokens or max_tokens for config in written)

    def scoring(self, turn: str, ask: Ask) -> Scoring | None:
        """Returns what a generator is to score at a turn in place of writing; None where the turn is written.

        Raises:
            UserError: the continuation cannot be rendered for this row, or is empty.
        """
        renderer = self.renderers[turn]
        return scoring_of(renderer.turn.config, renderer.continuation(ask), renderer.turn.where)

    def answer_columns(self) -> list[pa.Field]:
        """Lists the columns that the turns add to a sample, whose `text` is the last turn's answer."""
        *earlier, _last = self.turns
        reasoned = [name for name, turn in self.turns.items() if turn.config.answer_after]
        fields = (
            (turn.column(name), kind) for turn in self.turns.values() for name, kind in turn.field_types().items()
        )
        return [
            *(pa.field(f"turn_{name}", pa.string()) for name in earlier),
            *(pa.field(f"reasoning_{name}", pa.string()) for name in reasoned),
            *(pa.field(column, kind) for column, kind in fields),
        ]

    def answer_values(self, answers: Mapping[str, Answer]) -> dict[str, object]:
        """Returns the values of `answer_columns` for one sample; null for what a failed sample never came to.

        Args:
            answers: by turn, as far as the sample came. The result may hold a value for a column that there is not.
        """
        values: dict[str, object] = {}
        for name, turn in self.turns.items():
            answer = answers.get(name)
            values[f"turn_{name}"] = answer and answer.text
            values[f"reasoning_{name}"] = answer and answer.reasoning
            for part, kind in turn.field_types().items():
                values[turn.column(part)] = column_value(answer.fields.get(part), kind) if answer else None
        return values

    def stored_answers(self, sample: Mapping[str, Any]) -> dict[str, Answer]:
        """Reads the answers of a sample, by turn, as far as it came: the inverse of `answer_values`.

        Args:
            sample: a row of the samples folder, by column.
        """
        *earlier, last = self.turns
        texts = {name: sample[f"turn_{name}"] for name in earlier}
        texts[last] = None if sample["error"] else sample["text"]
        return {
            name: Answer(text, sample.get(f"reasoning_{name}") or "", _stored_fields(self.turns[name], text, sample))
            for name, text in texts.items()
            if text is not None
        }


def _stored_fields(turn: Turn, text: str, sample: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the fields of an answer; JSON is parsed again, since columns hold only its scalars as they are."""
    config = turn.config
    if turn.is_scored:
        return {name: sample[turn.column(name)] for name in turn.field_types()}
    if config.choice:
        return {}
    if config.regex:
        return {name: sample[f"field_{name}"] for name in turn.field_types()}
    if config.json_schema or config.parser is ParserKind.json:
        value = json.loads(text)
        return value if isinstance(value, dict) else {}
    return {"items": json.loads(sample["field_items"])} if config.parser is ParserKind.list else {}


def compile_task(config: TaskConfig, sets: Sequence[Sequence[Demonstration]] = ()) -> Task:
    """Checks a task and compiles its schemas, regular expressions and templates.

    Args:
        config: the task.
        sets: demonstration sets, by the number that planned rows carry; without any, prompts show none.

    Raises:
        UserError: a turn is wrong, reads what does not come before it, or has a template that does not parse.
    """
    turns = resolve_turns(config)
    needs = turn_needs(turns)
    return Task(config, turns, needs, {name: make_renderer(turn, sets) for name, turn in turns.items()})


@dataclass(frozen=True)
class Prompts:
    """A task and its demonstration sets: what prompts of a plan are rendered from, small enough to send to engines."""

    task: TaskConfig
    sets: list[list[Demonstration]] = field(repr=False)

    def compile(self) -> Task:
        """Compiles the task; what it returns cannot be sent to another process."""
        return compile_task(self.task, self.sets)

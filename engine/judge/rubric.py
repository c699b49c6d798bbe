"""Makes the task of a question to a judge: turns that are scored, so that a verdict is a probability and no prose.

In: a rubric, or the two prompts of the likelihood filter. Out: a TaskConfig as any plan has it, and the columns of the
samples in which its figure stands. Small models favour the choice that is named first (or last), so a rubric that
lists its choices becomes two turns, one for each order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.artifacts.judged import QUERY
from engine.errors import UserError
from engine.judge.config import InformationConfig, RubricConfig
from engine.task.check import check_turns
from engine.task.compiled import compile_task
from engine.task.config import PromptKind, ScoreKind, TaskConfig, TurnConfig
from engine.task.scores import choice_label
from engine.task.templates import compile_template, undeclared_names

_LISTED, _REVERSED = "listed", "reversed"
_GIVEN, _WITHOUT = "given", "without"
_NAMES = (
    f"{{% set query = condition.{QUERY} %}}"
    f"{{% set label %}}{{% for name, value in condition.items() if name != '{QUERY}' %}}"
    "{{ name }}: {{ value }}{% if not loop.last %}, {% endif %}{% endfor %}{% endset %}"
)
"""What templates of rubrics see beside the names of any template; Jinja leaves no text of it."""


def rubric_task(name: str, rubric: RubricConfig) -> TaskConfig:
    """Makes the task that asks a rubric.

    Args:
        name: of the rubric.
        rubric: its kind is settled where it is a chat; `auto` is settled with the task's.

    Raises:
        UserError: a template does not parse.
    """
    compile_template(rubric.prompt, f"judge.rubrics.{name}.prompt")
    turns = {_LISTED: _question(rubric, rubric.choices)}
    if "choices" in undeclared_names(rubric.prompt):
        turns[_REVERSED] = _question(rubric, rubric.choices[::-1])
    return TaskConfig(name=name, kind=rubric.kind, instruction=rubric.instruction, turns=turns)


def _question(rubric: RubricConfig, choices: Sequence[str]) -> TurnConfig:
    listed = f"{{% set choices = {json.dumps(list(choices), ensure_ascii=False)} %}}"
    return TurnConfig(prompt=f"{_NAMES}{listed}{rubric.prompt}", choice=list(rubric.choices), score=ScoreKind.sum)


def with_blanks(task: TaskConfig) -> TaskConfig:
    """Returns a task whose kind is settled, with the blank that parts a completion's prompt from a choice."""
    if task.kind is not PromptKind.completion:
        return task
    turns = {name: replace(turn, choice=[f" {choice}" for choice in turn.choice]) for name, turn in task.turns.items()}
    return replace(task, turns=turns)


def rubric_columns(rubric: RubricConfig, task: TaskConfig) -> tuple[str, ...]:
    """Returns the columns with the probability of the first choice, one for each order that was asked."""
    return tuple(f"score_{turn}_{choice_label(rubric.choices[0])}" for turn in task.turns)


def information_task(name: str, prompts: InformationConfig) -> TaskConfig:
    """Makes the task that scores a query behind a prompt with its passage, and behind one without.

    Both are completions whatever the model is: likelihoods of text are compared, and no question is asked.
    """
    sources = {_GIVEN: prompts.prompt, _WITHOUT: prompts.without}
    query = f" {{{{ condition.{QUERY} }}}}"
    turns = {turn: TurnConfig(prompt=f"{_NAMES}{source}", continuation=query) for turn, source in sources.items()}
    return TaskConfig(name=name, kind=PromptKind.completion, turns=turns)


def likelihood_task(name: str, prompts: InformationConfig) -> TaskConfig:
    """Makes the task that scores a query behind the prompt with a passage; the one without would rank no passage."""
    task = information_task(name, prompts)
    return replace(task, turns={_GIVEN: task.turns[_GIVEN]})


LIKELIHOOD_COLUMNS = (f"score_{_GIVEN}_mean",)
"""The mean log-probability per token of the query with its passage."""
INFORMATION_COLUMNS = (f"score_{_GIVEN}_mean", f"score_{_WITHOUT}_mean")
"""The mean log-probability per token of the query with its passage, and without."""


def check_question(task: TaskConfig, attributes: Mapping[str, object], where: str) -> None:
    """Renders the turns of a judge's task once.

    Args:
        task: the task.
        attributes: the conditions of the task that is judged, by name.
        where: the key of the rubric, for messages.

    Raises:
        UserError: a template names what is not there, or a condition has the name that the judge's plan needs.
    """
    if QUERY in attributes:
        raise UserError(
            f"a judge needs the name {QUERY!r}", where=f"task.attributes.{QUERY}", remedy="call it otherwise"
        )
    try:
        check_turns(compile_task(task), {**dict.fromkeys(attributes, "x"), QUERY: "x"})
    except UserError as error:
        raise UserError(error.what, where=where, remedy=error.remedy) from error

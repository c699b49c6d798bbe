"""What is asked of rows that come without a template: the column `prompt` as it stands, or the chat in `messages`.

In: the files, and a task. Out: the task that asks what the rows themselves say, found in their first rows. A task that
has a prompt or turns of its own is left as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pyarrow.parquet as pq

from engine.errors import UserError
from engine.rows.sampling import SETTINGS
from engine.rows.source import Kind, Source, read_values
from engine.storage.lines import unreadable
from engine.task.config import PromptKind, TaskConfig, TurnConfig
from engine.task.turns import ONLY_TURN, resolve_turns, row_columns

PROMPT, MESSAGES, SYSTEM = "prompt", "messages", "system"
"""The columns of prompts: a text, a whole chat, and the system message of a text."""

_LOOK_ROWS = 1000


def with_prompt(task: TaskConfig, source: Source) -> TaskConfig:
    """Returns the task, with what is asked where it leaves that to the rows.

    Raises:
        UserError: the rows have neither a prompt nor a chat.
    """
    if not leaves_open(task):
        return task
    names = first_names(source)
    if MESSAGES in names and PROMPT not in names:
        return replace(task, turns={ONLY_TURN: TurnConfig(conversation=MESSAGES, kind=PromptKind.chat)})
    if PROMPT not in names:
        where = f"prompts.path={source.path}"
        if not names:
            raise UserError("holds no rows", where=where, remedy="name a file with at least one row")
        remedy = f"ask about its columns ({', '.join(names)}): task.prompt='... {{{{ row.{names[-1]} }}}}'"
        raise UserError(f"has no column {PROMPT!r} and none {MESSAGES!r}", where=where, remedy=remedy)
    if SYSTEM not in names:
        return replace(task, prompt="{{ row.prompt }}")
    messages = [
        {"role": "system", "content": "{{ row.system or '' }}"},
        {"role": "user", "content": "{{ row.prompt }}"},
    ]
    return replace(task, turns={ONLY_TURN: TurnConfig(messages=messages, kind=PromptKind.chat)})


def leaves_open(task: TaskConfig) -> bool:
    """Tells whether a task leaves it to the rows what is asked."""
    return not (task.prompt.strip() or task.turns)


def sampling_columns(task: TaskConfig) -> tuple[str, ...]:
    """Returns the settings that columns of a row may set: those that no template reads as data."""
    read = row_columns(resolve_turns(task).values())
    return () if read is None else tuple(name for name in SETTINGS if name not in read)


def first_names(source: Source) -> Sequence[str]:
    """Returns the names of the columns that the first rows have."""
    if source.kind is not Kind.parquet:
        rows = (values for _, values in itertools.islice(read_values(source), _LOOK_ROWS))
        return list(dict.fromkeys(name for values in rows for name in values))
    names: dict[str, None] = {}
    for file in source.files:
        try:
            names |= dict.fromkeys(pq.read_schema(file).names)
        except (OSError, ValueError) as error:
            raise unreadable(file, error) from error
    return list(names)

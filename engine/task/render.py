"""Renders the prompt of a turn for one planned sample: one string for a completion model, or chat messages.

In: a turn, demonstration sets, and an Ask (a passage or a row, the number of a demonstration set, conditions, the
answers of earlier turns). Out: the prompt. A prompt is a prefix (instruction and demonstrations, the same for every
passage) and a suffix (the passage and the cue to write), so that an engine computes a prefix once.
"""

from __future__ import annotations

import functools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from engine.errors import UserError
from engine.storage.digests import digest
from engine.task.chat import read_messages
from engine.task.config import PromptKind
from engine.task.templates import as_row, compile_template, names_used, render
from engine.task.turns import Turn, asks_by_prompt, shows_demonstrations

Messages = list[dict[str, str]]
"""A chat: messages with `role` and `content`."""

ChatText = Callable[[Messages], str]
"""A model's chat template: the text that the model reads of messages."""

Answers = Mapping[str, Mapping[str, Any]]
"""The answers of earlier turns, by turn, as templates see them (`Answer.view`)."""

_Piece = tuple[str, str]
"""A role and a text."""

_MARK = "\ue000"
"""A character for private use, which marks where the suffix of a chat begins while its template is applied."""
_PREFIXES_KEPT = 1024
"""The number of prefixes that a renderer keeps: each has kilobytes, and work comes prefix by prefix."""


@dataclass(frozen=True)
class Demonstration:
    """One worked example shown to the model."""

    document: str
    query: str
    query_id: str = ""
    """The judged query that it was taken from; such a query is left out of the evaluation."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    """The title of the document, where it has one."""


@dataclass(frozen=True, slots=True)
class Ask:
    """All that one prompt is made from, beside its turn."""

    passage: Mapping[str, str]
    """The passage: its `title` and `text`; empty where the prompt is about a row."""
    demonstration_set: int
    conditions: Mapping[str, str]
    """The values of the conditions, by name."""
    answers: Answers = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)
    """The columns of the row of a rows folder that the prompt is about, by name."""


class Renderer(ABC):
    """Renders the prompts of one turn, which are pieces of text, each with the role of who says it.

    Args:
        turn: the turn.
        sets: demonstration sets, by the number that planned rows carry.

    Raises:
        UserError: a template does not parse. Every method that renders raises it for a template that names what is not
            there, or whose expression fails.
    """

    prefix_is_exact: bool
    """Whether `prefix` is the text that an engine sees; it is not in a chat whose template is unknown."""
    _joint: ClassVar[str]
    """The text between two pieces that are joined."""

    def __init__(self, turn: Turn, sets: Sequence[Sequence[Demonstration]]) -> None:
        self.turn, self.sets = turn, sets
        config = turn.config
        sources = {part: getattr(config, part) for part in ("instruction", "demonstration", "prompt", "continuation")}
        self._templates = {
            part: compile_template(source or "", f"{turn.where}.{part}") for part, source in sources.items()
        }
        try:
            self._mentioned: set[str] | None = names_used(config.instruction or "", "condition")
        except LookupError:
            self._mentioned = None  # any condition may be meant
        self._cached_start = functools.lru_cache(maxsize=_PREFIXES_KEPT)(self._start)

    @abstractmethod
    def prompt(self, ask: Ask) -> str | Messages:
        """Renders the whole prompt as an engine takes it."""

    @abstractmethod
    def text(self, ask: Ask) -> str:
        """Renders the whole prompt as a person reads it."""

    def instruction(self, conditions: Mapping[str, str]) -> str:
        """Renders the instruction, with which the prompt begins; empty where the turn has none."""
        return self._render("instruction", condition=conditions)

    def prefix(self, set_index: int, conditions: Mapping[str, str]) -> str:
        """Renders the start of the prompt, which depends on no conditions but those that the instruction mentions."""
        return self._joined(self._cached_start(set_index, self._prefix_key(conditions)))

    def suffix(self, passage: Mapping[str, str], conditions: Mapping[str, str], answers: Answers | None = None) -> str:
        """Renders the end of the prompt: the passage and the cue to write."""
        return self._joined(self._end(Ask(passage, 0, conditions, answers or {})))

    def continuation(self, ask: Ask) -> str:
        """Renders the text that is scored right after the prompt; empty where the turn has none."""
        return self._render("continuation", **_fields(ask))

    @property
    def has_prefix(self) -> bool:
        """Tells whether prompts of different passages begin alike."""
        return bool(self.turn.config.instruction or self.has_demonstrations())

    def has_demonstrations(self) -> bool:
        """Tells whether the prompts show any demonstration."""
        return bool(self.sets) and shows_demonstrations(self.turn)

    def with_sets(self, sets: Sequence[Sequence[Demonstration]]) -> Self:
        """The same renderer with other demonstrations."""
        return type(self)(self.turn, sets)

    def with_template(self, chat_text: ChatText) -> Renderer:  # noqa: ARG002
        """Returns the same renderer; in a chat, prefix and suffix are then the text that the model reads."""
        return self

    @abstractmethod
    def _demonstrated(self, demonstration: Demonstration, conditions: Mapping[str, str]) -> list[_Piece]:
        """Renders one demonstration, with the conditions that it was written under."""

    @abstractmethod
    def _end(self, ask: Ask) -> list[_Piece]:
        """Renders what comes after the instruction and the demonstrations."""

    def _pieces(self, ask: Ask) -> list[_Piece]:
        start = self._cached_start(ask.demonstration_set, self._prefix_key(ask.conditions))
        return [*start, *self._end(ask)]

    def _start(self, set_index: int, key: tuple[tuple[str, str], ...]) -> list[_Piece]:
        conditions = dict(key)
        instruction = self.instruction(conditions)
        pieces = [("system", instruction)] if instruction else []
        for demonstration in self.sets[set_index] if self.has_demonstrations() else ():
            pieces += self._demonstrated(demonstration, {**dict.fromkeys(conditions, ""), **demonstration.conditions})
        return pieces

    def _prefix_key(self, conditions: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Returns the conditions as a key of prefixes: those that the instruction does not mention are empty."""
        if self._mentioned is None or not self._mentioned <= conditions.keys():
            return tuple(conditions.items())
        return tuple((name, value if name in self._mentioned else "") for name, value in conditions.items())

    def _joined(self, pieces: Sequence[_Piece]) -> str:
        return self._joint.join(content for _, content in pieces)

    def _render(self, part: str, **fields: object) -> str:
        return render(self._templates[part], f"{self.turn.where}.{part}", **fields)


class CompletionRenderer(Renderer):
    """Renders prompts as plain text that the model continues."""

    prefix_is_exact = True
    _joint = ""

    def prompt(self, ask: Ask) -> str:
        """Renders the whole prompt as one string."""
        return self.text(ask)

    def text(self, ask: Ask) -> str:
        """Renders the same string, since a person reads what the engine reads."""
        return self._joined(self._pieces(ask))

    def _demonstrated(self, demonstration: Demonstration, conditions: Mapping[str, str]) -> list[_Piece]:
        return [("user", self._render("demonstration", demonstration=demonstration, condition=conditions))]

    def _end(self, ask: Ask) -> list[_Piece]:
        return [("user", self._render("prompt", **_fields(ask)))]


class ChatRenderer(Renderer):
    """Renders prompts as chat messages; demonstrations are earlier exchanges of the conversation."""

    _joint = "\n"

    def __init__(self, turn: Turn, sets: Sequence[Sequence[Demonstration]], chat_text: ChatText | None = None) -> None:
        super().__init__(turn, sets)
        self._chat_text = chat_text
        self.prefix_is_exact = chat_text is not None
        if self.has_demonstrations() and asks_by_prompt(turn):
            self._check_question()
        self._messages = [
            (message["role"], compile_template(message["content"], f"{turn.where}.messages"))
            for message in turn.config.messages
        ]

    def prompt(self, ask: Ask) -> Messages:
        """Renders the whole prompt as messages."""
        return _as_messages(self._pieces(ask))

    def text(self, ask: Ask) -> str:
        """Renders the messages one after the other, each after its role: `<user> Who makes honey?`."""
        return "\n".join(f"<{role}> {content}" for role, content in self._pieces(ask))

    def prefix(self, set_index: int, conditions: Mapping[str, str]) -> str:
        """Renders the start of the chat; where the template is known, up to the content of the last message."""
        start = self._cached_start(set_index, self._prefix_key(conditions))
        role = self._messages[0][0] if self._messages else "user"
        return self._halves(start, [(role, "")])[0] if self._chat_text else self._joined(start)

    def suffix(self, passage: Mapping[str, str], conditions: Mapping[str, str], answers: Answers | None = None) -> str:
        """Renders the end of the chat; where the template is known, with what it writes for the model to begin."""
        end = self._end(Ask(passage, 0, conditions, answers or {}))
        return self._halves([], end)[1] if self._chat_text else self._joined(end)

    def with_sets(self, sets: Sequence[Sequence[Demonstration]]) -> Self:
        """The same renderer with other demonstrations."""
        return type(self)(self.turn, sets, self._chat_text)

    def with_template(self, chat_text: ChatText) -> Renderer:
        """Returns the same renderer, whose prefix and suffix are the text that the model reads."""
        return type(self)(self.turn, self.sets, chat_text)

    def _halves(self, start: Sequence[_Piece], end: Sequence[_Piece]) -> tuple[str, str]:
        """Returns the text of a chat before and after the point where the content of its end begins."""
        assert self._chat_text, "only a template says what stands around messages"
        (role, content), *rest = end or [("user", "")]
        before, _, after = self._chat_text(_as_messages([*start, (role, _MARK + content), *rest])).partition(_MARK)
        return before, after

    def _check_question(self) -> None:
        config = self.turn.config
        try:
            reads_turns = bool(names_used(config.prompt, "turns"))
        except LookupError:
            reads_turns = True
        if config.demonstration and (reads_turns or not config.prompt):
            what = "writes demonstration.query, which in a chat is the answer, and `prompt` cannot ask in its place"
            remedy = "write the question alone, or set kind: completion"
            raise UserError(what, where=f"{self.turn.where}.demonstration", remedy=remedy)

    def _demonstrated(self, demonstration: Demonstration, conditions: Mapping[str, str]) -> list[_Piece]:
        """Renders a question, by the turn's `prompt` or by a `demonstration` without the answer, and the answer."""
        if asks_by_prompt(self.turn):
            passage = {"title": demonstration.title, "text": demonstration.document}
            question = self._render("prompt", passage=passage, condition=conditions, turns={})
        else:
            question = self._render("demonstration", demonstration=demonstration, condition=conditions)
        return [("user", question), ("assistant", demonstration.query)]

    def _end(self, ask: Ask) -> list[_Piece]:
        if column := self.turn.config.conversation:
            return read_messages(ask.row.get(column), f"row.{column}")
        fields = _fields(ask)
        if not self._messages:
            return [("user", self._render("prompt", **fields))]
        where = f"{self.turn.where}.messages"
        pieces = ((role, render(template, where, **fields)) for role, template in self._messages)
        return [(role, content) for role, content in pieces if content.strip()]


def _fields(ask: Ask) -> dict[str, object]:
    """Returns the variables of the template that ends a prompt."""
    return {"passage": ask.passage, "row": as_row(ask.row), "condition": ask.conditions, "turns": ask.answers}


def _as_messages(pieces: Sequence[_Piece]) -> Messages:
    return [{"role": role, "content": content} for role, content in pieces]


def make_renderer(turn: Turn, sets: Sequence[Sequence[Demonstration]]) -> Renderer:
    """Makes the renderer that the turn's kind asks for.

    Raises:
        UserError: a template of the turn does not parse.
    """
    return (ChatRenderer if turn.config.kind is PromptKind.chat else CompletionRenderer)(turn, sets)


def input_hash(
    prompt: str | Messages,
    passage: Mapping[str, str],
    cell: str,
    row: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> str:
    """Hashes all that the prompts of a planned sample are made from, as 16 hex digits; it needs no engine.

    Two samples with the same hash, templates and sampling were asked the same. (`prompt_hash` is the hash of the text
    after the model's chat template, which needs its tokenizer.)

    Args:
        prompt: the rendered prompt of the first turn, as text or messages.
        passage: `title` and `text`, which later prompts may also show; of no account where there is a row.
        cell: the conditions as one key, which later prompts may also depend on.
        row: the columns that prompts read, where they are about a row.
        sampling: what the row sets about how its answer is drawn.
    """
    if row is not None:
        return digest([prompt, json.dumps([row, sampling or {}], default=str, sort_keys=True), cell])
    return digest([prompt, passage["title"], passage["text"], cell])

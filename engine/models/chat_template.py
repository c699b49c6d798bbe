"""Renders messages by the chat template of a model to the text that it reads, without loading the model.

In: the folder of a model. Out: a function from messages to text, or None where the model has no template. It renders as
transformers does (`apply_chat_template`, which the engines use), but without importing it: planning counts with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.errors import UserError

CHAT_OPTIONS = {"add_generation_prompt": True, "enable_thinking": False}
"""The options that templates are given: the model is to write next, without thinking first."""

_SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


class _Generation(Extension):
    """The tag that templates put around what a model wrote; it changes no text."""

    tags = {"generation"}  # noqa: RUF012  # as jinja2 declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """A model's chat template, compiled.

    Args:
        source: the template.
        special_tokens: what it may name, such as `bos_token`.
        where: the key and the name of the model, for messages.

    Raises:
        UserError: the template does not parse.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str], where: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        self._special_tokens, self._where = special_tokens, where
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise self._mistake(f"does not parse: {error}") from error

    def __call__(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Renders a chat as text, up to where the model is to write.

        Raises:
            UserError: the template refuses the messages, as some do for two of the same role in a row.
        """
        try:
            return self._template.render(messages=messages, **self._special_tokens, **CHAT_OPTIONS)
        except (TemplateError, TypeError, LookupError, ValueError) as error:
            raise self._mistake(f"refuses the messages: {error}") from error

    def _mistake(self, what: str) -> UserError:
        remedy = "write the messages as the model wants them, or ask it in completions (task.kind=completion)"
        return UserError(f"the model's chat template {what}", where=self._where, remedy=remedy)


def read_chat_template(folder: Path, *, where: str) -> ChatTemplate | None:
    """Reads the chat template of a model; None where it has none.

    Args:
        folder: of the model, as `resolve_model` gives it.
        where: the key and the name of the model, for messages.
    """
    config = _read_json(folder / "tokenizer_config.json")
    file = folder / "chat_template.jinja"
    source = file.read_text(encoding="utf-8") if file.is_file() else config.get("chat_template")
    if isinstance(source, list):  # several templates, by name
        source = {each["name"]: each["template"] for each in source}.get("default")
    if not source:
        return None
    special = {name: _content(config[name]) for name in _SPECIAL_TOKENS if config.get(name)}
    return ChatTemplate(source, special, where)


def _read_json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def _content(token: str | Mapping[str, Any]) -> str:
    return token if isinstance(token, str) else str(token["content"])


def _to_json(value: object, indent: int | None = None) -> str:
    """Writes JSON as templates expect it, since the filter of Jinja2 escapes what HTML would read."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)

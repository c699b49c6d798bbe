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

from engine.errors import UserError
from engine.text.sandbox import SandboxedTemplates

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
        environment = SandboxedTemplates(
            {"tojson": _to_json}, trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        self._special_tokens, self._where = special_tokens, where
        try:
            self._template = environment.from_string(source)
        except Exception as error:  # whoever made the model wrote it
            raise self._mistake(f"does not parse: {str(error) or type(error).__name__}") from error

    def __call__(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Renders a chat as text, up to where the model is to write.

        Raises:
            UserError: the template refuses the messages, as some do for two of the same role in a row; or it computes
                what it cannot, or too much.
        """
        try:
            return self._template.render(messages=messages, **self._special_tokens, **CHAT_OPTIONS)
        except Exception as error:  # it may compute anything
            raise self._mistake(f"refuses the messages: {str(error) or type(error).__name__}") from error

    def _mistake(self, what: str) -> UserError:
        remedy = "write the messages as the model wants them, or ask it in completions (task.kind=completion)"
        return UserError(f"the model's chat template {what}", where=self._where, remedy=remedy)


def read_chat_template(folder: Path, *, where: str) -> ChatTemplate | None:
    """Reads the chat template of a model; None where it has none.

    Args:
        folder: of the model, as `resolve_model` gives it.
        where: the key and the name of the model, for messages.

    Raises:
        UserError: its files are broken.
    """
    try:
        source, special = _read_template(folder)
    except (ValueError, TypeError, LookupError) as error:  # it is no JSON, or other JSON
        remedy = "mend tokenizer_config.json or chat_template.jinja, or download the model again"
        what = f"the model's chat template cannot be read: {type(error).__name__}: {error}"
        raise UserError(what, where=where, remedy=remedy) from error
    return ChatTemplate(source, special, where) if source else None


def _read_template(folder: Path) -> tuple[str, dict[str, str]]:
    """Reads a template, empty where there is none, and the tokens that it may name."""
    config = _read_json(folder / "tokenizer_config.json")
    file = folder / "chat_template.jinja"
    source = file.read_text(encoding="utf-8") if file.is_file() else config.get("chat_template")
    if isinstance(source, list):  # several templates, by name
        source = {each["name"]: each["template"] for each in source}.get("default")
    if not isinstance(source, str | None):
        raise TypeError(f"it is no text: {source!r:.40}")
    return source or "", {name: _content(config[name]) for name in _SPECIAL_TOKENS if config.get(name)}


def _read_json(file: Path) -> dict[str, Any]:
    values = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if not isinstance(values, dict):
        raise TypeError(f"{file.name} holds no object")
    return values


def _content(token: str | Mapping[str, Any]) -> str:
    return token if isinstance(token, str) else str(token["content"])


def _to_json(value: object, indent: int | None = None) -> str:
    """Writes JSON as templates expect it, since the filter of Jinja2 escapes what HTML would read."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)

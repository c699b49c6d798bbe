"""Explains overrides that do not parse and sweeps that are not supported: which is at fault, and how to write it.

In: overrides as the shell passed them. Out: the flags apart, points that together hold each value of a sweep, or an
error with the override at fault and, where it can be told, the same one quoted and ready to be pasted into a shell.
"""

from __future__ import annotations

import itertools
import re
import shlex
import typing
from collections.abc import Iterator, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException

from engine.command_line.groups import choices, groups
from engine.command_line.schema import annotated_type
from engine.errors import UserError
from engine.storage.remote.address import is_url
from engine.storage.remote.opening import runs_dir_here

_FLAGS_WITH_VALUE = {
    *("--cfg", "-c", "--package", "-p", "--config-name", "-cn", "--config-path", "-cp", "--info", "-i"),
    "--experimental-rerun",
}
"""The flags of Hydra that are followed by an argument that is no override."""
_FLAGS = _FLAGS_WITH_VALUE | {
    *("--help", "-h", "--hydra-help", "--resolve", "--run", "-r", "--multirun", "-m"),
    *("--shell-completion", "-sc", "--config-dir", "-cd"),
}
"""All of them."""
_CHECKED_VALUES = 32
"""Values of one key of a sweep that are checked before it runs."""
_KEY = re.compile(r"^(?:\+{0,2}|~)[A-Za-z_][\w./@:-]*$")
_BEFORE_QUOTE = re.compile(r'(\\*)("|$)')


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separates Hydra's flags, with the arguments that they take, from overrides.

    Raises:
        UserError: there is no such flag.
    """
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        name, _, value = argument.partition("=")
        if name not in _FLAGS:
            setting = f"{name.lstrip('-')}={value or 'VALUE'}"
            remedy = f"settings have no dashes: write {setting}; `synthmill --help` shows examples"
            raise UserError(f"there is no flag {name}", where=argument, remedy=remedy)
        flags.append(argument)
        if argument in _FLAGS_WITH_VALUE:
            flags += [value for value in [next(rest, None)] if value is not None]
    return flags, overrides


def sweep_folder(overrides: Sequence[str]) -> list[str]:
    """Returns the override by which Hydra keeps its notes of a sweep on this disk where `runs_dir` is a URL."""
    values = [text.partition("=")[2] for text in overrides if text.startswith("runs_dir=")]
    return [f"hydra.sweep.dir='{runs_dir_here(values[-1]) / 'sweeps'}'"] if values and is_url(values[-1]) else []


def find_syntax_error(overrides: Sequence[str]) -> UserError | None:
    """Explains the first override that does not parse, or that gives several values; None where all are well."""
    for number, text in enumerate(overrides):
        override = _parse(text)
        if override is None or text.startswith("="):
            return _explain(text, overrides[:number])
        if override.is_sweep_override():
            return _explain_several(text, override)
    return None


def points_to_check(overrides: Sequence[str]) -> Iterator[list[str]]:
    """Gives overrides of single points of a sweep that together hold every value, so that it is checked before it runs.

    The first point comes first; after it each other value of each key, with the first values of all others: the sum of
    the values, where the sweep is their product. Of a long range the first values stand for the others.

    Raises:
        UserError: an override does not parse, or its kind of sweep is not supported.
    """
    values = [_values(text, overrides[:number]) for number, text in enumerate(overrides)]
    first = [of_override[0] for of_override in values]
    yield first
    for number, of_override in enumerate(values):
        for other in of_override[1:]:
            yield [*first[:number], other, *first[number + 1 :]]


def _values(text: str, before: Sequence[str]) -> list[str]:
    """Lists the overrides that one override stands for, the first few of a long sweep."""
    override = _parse(text)
    if override is None:
        raise _explain(text, before)
    if not override.is_sweep_override():
        return [text]
    if override.value_type in (ValueType.GLOB_CHOICE_SWEEP, ValueType.INTERVAL_SWEEP):
        raise _explain_unsupported(text, override)
    values = list(itertools.islice(override.sweep_string_iterator(), _CHECKED_VALUES))
    if not values:
        raise UserError("is a sweep over no value", where=text, remedy="name the values: key=1,2,3")
    return [f"{override.get_key_element()}={value}" for value in values]


def takes_text(key: str) -> bool:
    """Tells whether any text may be the value of a key: it is one of text, or in a mapping that takes anything."""
    return annotated_type(key.lstrip("+~").split(".")) in (str, typing.Any, None) and key.lstrip("+~") not in groups()


def quoted(key: str, value: str) -> str:
    """Writes an override so that Hydra takes its value as text, quoted for the shell too; empty where it cannot be."""
    if " ".join(value.split()) != value:
        return ""  # an error is one line: other blanks than single ones would be lost in it
    text = _in_quotes(key, value)
    return shlex.quote(text) if text else ""


def with_template_quoted(text: str) -> str:
    """Returns an override that sets a text to a template as Hydra takes it, and any other as it is.

    What a template is made of, `{{ row.body }}`, is no value of Hydra's, so that nothing else can be meant.
    """
    key, _, value = text.partition("=")
    if (
        "{{" not in value
        or not _KEY.match(key)
        or _parse(text)
        or annotated_type(key.lstrip("+~").split(".")) is not str
    ):
        return text
    return _in_quotes(key, value) or text


def _in_quotes(key: str, value: str) -> str:
    """Writes an override so that Hydra takes its value as text; empty where it cannot be."""
    inner = _BEFORE_QUOTE.sub(lambda match: match[1] * 2 + ('\\"' if match[2] else ""), value)
    text = f'{key}="{inner}"'
    override = _parse(text)
    return text if override is not None and override.value() == value else ""


def _parse(text: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException:
        return None


def _explain(text: str, before: Sequence[str]) -> UserError:
    """Explains an override that does not parse, by what stands in it and by the overrides before it."""
    key, equals, value = text.partition("=")
    if not equals or not _KEY.match(key):
        remedy = "write key=value"
        previous, _, start = (before[-1] if before else "").partition("=")
        if not equals and takes_text(previous) and (joined := quoted(previous, f"{start} {text}")):
            remedy += f"; if it belongs to what stands before it, quote both: {joined}"
        return UserError("is no override", where=text, remedy=remedy)
    correct = quoted(key, value) if takes_text(key) else ""
    remedy = f"quote the value: {correct}" if correct else _form(key)
    return UserError("has a value that does not parse", where=text, remedy=remedy)


def _form(key: str) -> str:
    """Says how values of a key are written."""
    kind = annotated_type(key.lstrip("+~").split("."))
    if typing.get_origin(kind) is list:
        return f"write a list, and quote what has blanks or signs in it: '{key}=[a, \"b c\"]'"
    if typing.get_origin(kind) is dict:
        return f"write a mapping, and quote what has blanks or signs in it: '{key}={{a: \"b c\"}}'"
    return f"write {key}=VALUE; `synthmill --cfg job` shows what it is without"


def _explain_several(text: str, override: Override) -> UserError:
    """Explains several values where one is wanted."""
    key, _, value = text.partition("=")
    remedy = "sweep over them with `synthmill -m ...`"
    if override.value_type in (ValueType.GLOB_CHOICE_SWEEP, ValueType.INTERVAL_SWEEP):
        return _explain_unsupported(text, override)
    if takes_text(key) and (correct := quoted(key, value)):
        remedy += f", or quote them as one: {correct}"
    return UserError("is several values", where=text, remedy=remedy)


def _explain_unsupported(text: str, override: Override) -> UserError:
    """Explains a sweep whose values are not listed."""
    key = override.get_key_element()
    name = "glob" if override.value_type is ValueType.GLOB_CHOICE_SWEEP else "interval"
    values = ",".join(choices(key)) if key in groups() else "VALUE,VALUE"
    steps = "" if key in groups() else f", or for whole numbers {key}=range(1,4)"
    remedy = f"list what is to be tried: synthmill -m {key}={values}{steps}"
    return UserError(f"{name}(...) is not supported", where=text, remedy=remedy)

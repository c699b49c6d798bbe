"""Models that a config lists beside the base: further encoders, and rerankers, each under a name for tables and files.

In: what the user wrote: a model's name, a mapping of settings with a `model` among them, or a list of either. Out:
entries that were checked, by names that are unique and that no other system has. Whether a model exists is asked later,
when the identity of the report is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar

from engine.errors import UserError, check_setting, suggest
from engine.storage.typed import from_json_values

_UNFIT = re.compile(r"[^\w.-]+")
"""What is replaced in names: what parts systems in `eval.fusions`, or is no part of a file's name everywhere."""


class Entry(Protocol):
    """What every kind of entry has."""

    @property
    def model(self) -> str:
        """The model: `bundled:NAME`, a folder or a hub id."""

    @property
    def name(self) -> str:
        """Its name; empty: made from that of the model."""


@dataclass(frozen=True)
class BaseEntry:
    """A further encoder; what is left out is the model's own, or as in `model.*`."""

    model: str
    name: str = ""
    query_prefix: str | None = None
    """This text is put before every query; null stands for the model's own prompt."""
    passage_prefix: str | None = None
    """This text is put before every passage; null stands for the model's own prompt."""
    max_tokens: int = 0
    """A text is cut after so many tokens; 0: as many as the base reads."""
    precision: str = "auto"


@dataclass(frozen=True)
class RerankerEntry:
    """A cross-encoder, and what it is given to order."""

    model: str
    name: str = ""
    first: str = "bm25+base"
    """The system whose first passages it orders."""
    depths: tuple[int, ...] = (10, 20, 50, 100)
    """How many passages it orders; each depth is a system of its own."""
    max_tokens: int = 512
    """A query with its passage is cut after so many tokens."""
    batch_size: int = 32
    precision: str = "fp32"


EntryKind = TypeVar("EntryKind", bound=Entry)


def read_entries(written: object, kind: type[EntryKind], key: str, taken: Collection[str] = ()) -> dict[str, EntryKind]:
    """Reads entries as a user writes them, by their names.

    Args:
        written: a name, a mapping, or a list of either.
        kind: the dataclass of an entry.
        key: the config key, for messages.
        taken: names that other systems have.

    Raises:
        UserError: an entry names no model, has a setting that there is not, or a name that is taken.
    """
    listed: Sequence[object] = written if isinstance(written, list | tuple) else [written] if written else []
    named: dict[str, EntryKind] = {}
    for item in listed:
        entry = _read_entry(item, kind, key)
        if not entry.name:
            named[_unique(readable(entry.model), {*taken, *named})] = entry
            continue
        where = f"{key}: name={entry.name}"
        if _UNFIT.search(entry.name):
            remedy = "write letters, digits, dots, dashes and underscores"
            raise UserError("cannot be the name of a system", where=where, remedy=remedy)
        if entry.name in {*taken, *named}:
            raise UserError("is the name of another system", where=where, remedy="choose another name")
        named[entry.name] = entry
    return named


def check_depths(entry: RerankerEntry, key: str) -> None:
    """Refuses depths that are none, or repeated.

    Raises:
        UserError: with the key.
    """
    depths = entry.depths
    fine = bool(depths) and len(set(depths)) == len(depths) and all(1 <= depth <= 1000 for depth in depths)
    shown = f"[{', '.join(map(str, depths))}]"
    check_setting(fine, f"{key}.depths", shown, "numbers from 1 to 1000 that differ", fault="are no depths")


def readable(model: str) -> str:
    """Returns the last part of a model's name, as people call it: `e5-small-v2` of `intfloat/e5-small-v2`."""
    last = model.removeprefix("bundled:").rstrip("/").rpartition("/")[2]
    return _UNFIT.sub("-", last).strip("-") or "model"


def _unique(name: str, taken: Collection[str]) -> str:
    """Returns the name, with a number behind it where another system has it."""
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    return unique


def _read_entry(item: object, kind: type[EntryKind], key: str) -> EntryKind:
    from pydantic import ValidationError

    values: Mapping[str, Any] = item if isinstance(item, Mapping) else {"model": item}
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise UserError(f"there is no setting {name!r}", where=key, remedy=suggest(str(name), names))
    model = values.get("model")
    if not isinstance(model, str) or not model.strip():
        remedy = f"write {key}=[MODEL], or '{key}=[{{model: MODEL, ...}}]' to set more of it"
        raise UserError("names no model", where=f"{key}={item}", remedy=remedy)
    try:
        return from_json_values(kind, values)
    except ValidationError as error:
        fault = error.errors()[0]
        setting = str(fault["loc"][0])
        where = f"{key}: {setting}={values.get(setting)}"
        raise UserError(str(fault["msg"]), where=where, remedy=f"give {setting} a value of its type") from error

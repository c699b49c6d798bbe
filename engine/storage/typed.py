"""Dataclasses as JSON and back: what a step records, and the task that lies beside a plan.

In: a dataclass, which may hold other dataclasses, enums, lists and mappings. Out: plain JSON values, and from those the
same dataclass again, by its own annotations. pydantic does both. OmegaConf, which composes configs, would take `${...}`
inside a text for a reference and refuse to fill frozen dataclasses.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def to_json_values(record: object) -> dict[str, Any]:
    """Turns a dataclass into plain JSON values, by field name; an enum becomes its value."""
    values: dict[str, Any] = _adapter(cast(Hashable, type(record))).dump_python(record, mode="json")
    return values


def from_json_values(kind: type[T], values: Mapping[str, Any]) -> T:
    """Makes a dataclass from plain JSON values: the inverse of `to_json_values`.

    Args:
        kind: the dataclass.
        values: a value by field name; a field that is left out has its default.

    Raises:
        pydantic.ValidationError: a field is missing or has a value of another type, which a file that the project
            wrote itself never has.
    """
    return cast(T, _adapter(cast(Hashable, kind)).validate_python(dict(values)))


@functools.cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    """Compiles the rules for a dataclass once; pydantic takes milliseconds for it."""
    from pydantic import TypeAdapter

    return TypeAdapter(cast(type, kind))

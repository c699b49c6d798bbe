"""Dataclasses as JSON and back: what a step records, and the task that lies beside a plan.

In: a dataclass, which may hold other dataclasses, enums, lists and mappings. Out: plain JSON values, and from those the
same dataclass again, by its own annotations. pydantic reads. OmegaConf, which composes configs, would take `${...}`
inside a text for a reference and refuse to fill frozen dataclasses.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def to_json_values(value: Any) -> Any:
    """Returns a dataclass, or anything inside one, as plain JSON values: an enum is its value, and NaN stays NaN.

    Fields that take no part in comparisons are left out: two dataclasses that are equal have equal values.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json_values(getattr(value, field.name)) for field in fields(value) if field.compare}
    if isinstance(value, Mapping):
        return {str(key): to_json_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_values(inner) for inner in value]
    return value.value if isinstance(value, Enum) else value


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


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turns `{"a": {"b": 1}}` into `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat

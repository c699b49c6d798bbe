"""Refuses columns whose values are pickled Python objects, before anything reads them.

In: the schema of a file of anybody's. Out: nothing, or a UserError. Ray Data registers an Arrow type whose values run
code when they are read (`ray.data.arrow_pickled_object`), and any file may name that type for a column of its own.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from engine.errors import UserError

_PICKLED = "ray.data.arrow_pickled_object"
_NAME = b"ARROW:extension:name"


def refuse_pickled(schema: pa.Schema, file: Path) -> None:
    """Refuses a file with such a column, at whatever depth.

    Args:
        schema: of the file, as it was read, whether or not Ray Data has registered its type.
        file: the file, for the message.

    Raises:
        UserError: a column holds pickled objects.
    """
    for field in schema:
        if _is_pickled(field):
            remedy = "write the column as text, numbers, lists or structs"
            raise UserError(f"column {field.name!r} holds pickled Python objects", where=str(file), remedy=remedy)


def _is_pickled(field: pa.Field) -> bool:
    name = getattr(field.type, "extension_name", "") or (field.metadata or {}).get(_NAME, b"").decode()
    return name == _PICKLED or any(_is_pickled(inner) for inner in _inside(field.type))


def _inside(kind: pa.DataType) -> list[pa.Field]:
    """Returns the fields of a nested type; a dictionary's values stand for a field."""
    if pa.types.is_dictionary(kind):
        return [pa.field("values", kind.value_type)]
    return [kind.field(number) for number in range(kind.num_fields)]

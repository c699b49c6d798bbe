"""Checks the JSON schemas that answers of a turn must fit, and names the key that is wrong.

In: a schema as it stands in a task's YAML. Out: nothing, or an error that names the key inside it. A schema that no
answer fits, or whose properties no answer has, passes the standard and is refused here: it would fail every sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import UserError, suggest

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def check_schema(schema: Mapping[str, Any], where: str) -> None:
    """Refuses a schema that does not follow the standard, or that no answer can meet.

    Args:
        schema: the schema, which may be empty.
        where: its key, for messages.

    Raises:
        UserError: the schema is wrong; the error names the path inside it.
    """
    if not schema:
        return
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        what, remedy = error.message, "see https://json-schema.org/understanding-json-schema"
        if error.absolute_path and error.absolute_path[-1] == "type":
            what, remedy = f"there is no type {error.instance!r}", suggest(str(error.instance), _TYPES)
        raise UserError(what, where=_join(where, error.absolute_path), remedy=remedy) from error
    _check_object(schema, where)


def validator_of(schema: Mapping[str, Any]) -> Draft202012Validator | None:
    """Makes what tells whether a value fits a schema that passed `check_schema`; None where the schema is empty."""
    if not schema:
        return None
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)


def _check_object(schema: Mapping[str, Any], where: str) -> None:
    """Refuses properties of what is no object, and required ones that do not exist, here and in every property."""
    properties = schema.get("properties")
    if properties is None:
        return
    kinds = schema.get("type", "object")
    if "object" not in (kinds if isinstance(kinds, list) else [kinds]):
        raise UserError(f"{kinds!r} has no properties", where=f"{where}.type", remedy="write type: object")
    for name in schema.get("required", []):
        if name not in properties:
            raise UserError(
                f"there is no property {name!r}", where=f"{where}.required", remedy=suggest(name, properties)
            )
    for name, inner in properties.items():
        if isinstance(inner, Mapping):
            _check_object(inner, f"{where}.properties.{name}")


def _join(where: str, path: Iterable[str | int]) -> str:
    return where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)

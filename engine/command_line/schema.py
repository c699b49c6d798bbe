"""The schema of a run's config: RunConfig as OmegaConf merges it, and what it knows of a key.

In: keys such as `model.base`, or their parts. Out: the schema that files and overrides are merged into, its keys, and
the annotated type of one. Composing a config and judging a file by itself both start here, so they cannot disagree.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from engine.pipeline.config import RunConfig


@functools.cache
def run_schema() -> DictConfig:
    """Returns the schema of a run: unknown keys and wrong types fail when something is merged with it.

    It is made once, since that takes 30 ms; merging makes a copy, so it stays as it is.
    """
    schema: DictConfig = OmegaConf.structured(RunConfig)
    _unfreeze(schema)
    return schema


def keys_of(config: DictConfig, prefix: str = "") -> Iterator[str]:
    """Gives the full names of all keys of a config, groups and their keys alike, each after `prefix`."""
    for name in map(str, config):
        yield f"{prefix}{name}"
        node = config._get_node(name)
        if isinstance(node, DictConfig) and not node._is_interpolation() and not node._is_none():
            yield from keys_of(node, f"{prefix}{name}.")


def keys_of_elements() -> Iterator[str]:
    """Gives the full names of what the elements of mappings can be told, such as `task.turns.NAME.max_tokens`."""
    for key in keys_of(run_schema()):
        kind = annotated_type(key.split("."))
        element = next(reversed(typing.get_args(kind)), None) if typing.get_origin(kind) is dict else None
        if is_dataclass(element):
            yield from (f"{key}.NAME.{name}" for name in settings_of(element))


def is_inside_mapping(key: str) -> bool:
    """Tells whether a key lies in a mapping whose keys the user chooses, such as samples.engine_args."""
    schema = run_schema()
    parts = key.split(".")
    for count in range(1, len(parts)):
        node = OmegaConf.select(schema, ".".join(parts[:count]))
        if isinstance(node, DictConfig) and OmegaConf.get_type(node) is dict:
            return True
    return False


def annotated_type(path: Sequence[str | int]) -> Any:
    """Looks up the annotated type of a key, without its `| None`.

    Args:
        path: names of fields, names in mappings, and positions in lists, from the root on.

    Returns:
        The type, or None where the schema has no such key.
    """
    kind: Any = RunConfig
    for name in path:
        if is_dataclass(kind):
            kind = typing.get_type_hints(kind).get(str(name))
        else:
            kind = next(reversed(typing.get_args(kind)), None)  # the type of the elements of a list or mapping
        if typing.get_origin(kind) in (typing.Union, types.UnionType):
            [kind] = [choice for choice in typing.get_args(kind) if choice is not types.NoneType]
    return kind


def settings_of(group: Any) -> list[str]:
    """Returns the names of the settings of a config dataclass: its fields, without those that no user can set."""
    return [field.name for field in fields(group) if not field.metadata.get("omegaconf_ignore")]


def _unfreeze(node: DictConfig) -> None:
    """Makes nodes writable: frozen dataclasses make read-only ones, but a schema takes values, and a mapping keys."""
    OmegaConf.set_readonly(node, None)
    if OmegaConf.get_type(node) is dict:
        OmegaConf.set_struct(node, False)
    for name in map(str, node):
        child = node._get_node(name)
        if isinstance(child, DictConfig) and not child._is_interpolation() and not child._is_none():
            _unfreeze(child)

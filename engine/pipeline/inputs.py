"""Input that lies behind URLs, brought to this disk before a run looks at it.

In: a RunConfig as a user wrote it. Out: the same run, with a path in the place of every URL of input. The config that a
run folder keeps names the URLs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from engine.pipeline.config import RunConfig
from engine.storage.remote.address import is_address
from engine.storage.remote.inputs import fetch_input

_OUTPUT = {"runs_dir", "run_dir", "samples.output", "tracking.uri"}
"""Keys of what a run writes, and of where it does."""


def with_inputs_here(config: RunConfig) -> RunConfig:
    """Fetches documents, collections, queries, examples and whatever else is named by its URL.

    Raises:
        UserError: there is nothing behind a URL, or its store cannot be used.
    """
    here: RunConfig = _here(config, "")
    return here


def _here(value: Any, key: str) -> Any:
    """Returns a value of the config without URLs; itself where it holds none."""
    if isinstance(value, str):
        is_input = is_address(value) and key not in _OUTPUT
        return str(fetch_input(value, where=f"{key}={value}")) if is_input else value
    if isinstance(value, list):
        return [_here(each, key) for each in value]
    if isinstance(value, Mapping):
        return {name: _here(each, f"{key}.{name}") for name, each in value.items()}
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    before = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    after = {name: _here(each, f"{key}.{name}" if key else name) for name, each in before.items()}
    changed = {name: each for name, each in after.items() if each != before[name]}
    return dataclasses.replace(value, **changed) if changed else value

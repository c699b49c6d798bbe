"""From overrides on the command line to a typed RunConfig, with every mistake named before anything starts.

In: Hydra overrides. Out: a RunConfig and its YAML. Hydra's own errors are turned into one line that names the
key or value, the place, and the closest valid one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from engine.command_line.config_files import (
    CONF,
    choices,
    chosen_files,
    explain_yaml,
    find_mistake,
    find_own_files,
    groups,
    own_conf,
)
from engine.errors import UserError, suggest
from engine.pipeline import RunConfig

CONFIG_NAME = "run"


_CONVERTED = re.compile(r"Value '(?P<value>.*)' of type '\w+' could not be converted to (?P<kind>Float|Integer)")


_WANTED = {"Float": "a number", "Integer": "a whole number"}


def register() -> None:
    """Makes RunConfig the schema of conf/run.yaml: unknown keys and wrong types fail at composition."""
    node = OmegaConf.structured(RunConfig)
    _unfreeze(node)
    ConfigStore.instance().store(name="schema", node=node)


def load_config(overrides: Sequence[str], config_dir: str = "") -> tuple[RunConfig, str]:
    """Composes a run's config.

    Args:
        overrides: as on the command line.
        config_dir: a folder with files of the user's own; `./conf` where it is empty.

    Returns:
        The typed config, and the same as YAML.

    Raises:
        UserError: a key, value or group choice is wrong.
    """
    register()
    GlobalHydra.instance().clear()
    own = own_conf(config_dir)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            return typed(compose(CONFIG_NAME, overrides=find_own_files(overrides, own)))
        except yaml.YAMLError as error:
            raise explain_yaml(error) from error
        except (HydraException, OmegaConfBaseException, ValueError) as error:  # a group set to null is a ValueError
            in_files = filter(None, map(find_mistake, chosen_files(overrides, own)))
            raise next(in_files, None) or explain(error, overrides, own) from error


def typed(config: DictConfig) -> tuple[RunConfig, str]:
    """A composed config as dataclasses, and as YAML.

    Raises:
        UserError: a key is not part of the schema (`+key=...` gets past Hydra).
    """
    valid = set(_keys(OmegaConf.structured(RunConfig)))
    for key in _keys(config):
        if key not in valid and not _inside_mapping(key):
            raise UserError(f"there is no key {key!r}", where=key, remedy=_closest(key))
    try:
        run_config = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise explain(error, []) from error
    assert isinstance(run_config, RunConfig), "the schema of conf/run.yaml is RunConfig"
    return run_config, OmegaConf.to_yaml(config, resolve=True)


def explain(error: Exception, overrides: Sequence[str], own: Path | None = None) -> UserError:
    """Turns an error of Hydra or OmegaConf into one line."""
    message = str(error).strip()
    cause = " ".join(str(error.__cause__ or error).split("\n    full_key")[0].split())
    if match := re.search(r"Could not override '([^']+)'", message):
        key = match[1].split("@")[0]
        return UserError(f"there is no key or group {key!r}", where=_override_of(key, overrides), remedy=_closest(key))
    if match := re.search(r"Error merging override (.+)", message):
        return _explain_value(cause, match[1])
    if match := re.search(r"Could not find '([^']+)'", message):
        group, _, choice = match[1].rpartition("/")
        return UserError(
            f"there is no {group} called {choice!r}",
            where=f"{group}={choice}",
            remedy=suggest(choice, choices(group, own)),
        )
    if (
        "LexerNoViableAltException" in message
        or "mismatched input" in message
        or "OverrideParse" in type(error).__name__
    ):
        line = message.splitlines()[0]
        return UserError(
            line, where="command line", remedy="write overrides as key=value; quote values with spaces: 'key=\"a b\"'"
        )
    if match := re.search(r"Ambiguous value for argument '(.+)'\n", message):
        return UserError(
            "is several values",
            where=match[1],
            remedy="sweep over them with `synthmill -m ...`, or quote them: key='a,b'",
        )
    key = getattr(error, "full_key", None) or getattr(error.__cause__, "full_key", None) or "command line"
    return UserError(cause, where=str(key), remedy="`synthmill --cfg job` shows the composed config")


def _explain_value(cause: str, where: str) -> UserError:
    if wrong := _CONVERTED.search(cause):
        wanted = _WANTED[wrong["kind"]]
        return UserError(f"{wrong['value']!r} is not {wanted}", where=where, remedy=f"give {wanted}")
    return UserError(cause, where=where, remedy="give a value of the type that `synthmill --cfg job` shows")


def first_of_sweep(overrides: Sequence[str]) -> list[str]:
    """The overrides of a sweep's first point, so that a sweep is checked before any point runs.

    Raises:
        UserError: an override does not parse.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise explain(error, overrides) from error
    first = []
    for text, override in zip(overrides, parsed, strict=True):
        if override.is_sweep_override():
            value = next(iter(override.sweep_string_iterator()))
            first.append(f"{override.get_key_element()}={value}")
        else:
            first.append(text)
    return first


def _closest(key: str) -> str:
    keys = list(_keys(OmegaConf.structured(RunConfig)))
    head, _, leaf = key.rpartition(".")
    siblings = [name for name in keys if name.rpartition(".")[0] == head and "." in name]
    if siblings:
        return suggest(key, siblings)
    same_leaf = [name for name in keys if leaf == name.rpartition(".")[2]]
    top = {name.split(".")[0] for name in keys} | set(groups())
    return suggest(key, same_leaf or top)


def _override_of(key: str, overrides: Sequence[str]) -> str:
    return next((text for text in overrides if text.lstrip("+~").startswith(key)), key)


def _keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for name in map(str, config):
        yield f"{prefix}{name}"
        node = config._get_node(name)
        if isinstance(node, DictConfig) and not node._is_interpolation() and not node._is_none():
            yield from _keys(node, f"{prefix}{name}.")


def _inside_mapping(key: str) -> bool:
    """Whether a key lies in a free mapping, such as samples.engine_args."""
    schema: Any = OmegaConf.structured(RunConfig)
    parts = key.split(".")
    for count in range(1, len(parts)):
        node = OmegaConf.select(schema, ".".join(parts[:count]))
        if isinstance(node, DictConfig) and OmegaConf.get_type(node) is dict:
            return True
    return False


def _unfreeze(node: DictConfig) -> None:
    """Frozen dataclasses make read-only nodes; a schema must take values, and a free mapping new keys."""
    OmegaConf.set_readonly(node, None)
    if OmegaConf.get_type(node) is dict:
        OmegaConf.set_struct(node, False)
    for name in map(str, node):
        child = node._get_node(name)
        if isinstance(child, DictConfig) and not child._is_interpolation() and not child._is_none():
            _unfreeze(child)

"""Composes a typed RunConfig from overrides on the command line, and names every mistake before anything starts.

In: Hydra overrides. Out: a RunConfig and its YAML. Hydra's own errors are turned into one line that names the
key or value, where it stands, and the closest valid one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from engine.command_line.config_files import chosen_files, explain_yaml, find_mistake, find_user_conf, find_user_files
from engine.command_line.finite import check_finite
from engine.command_line.groups import CONF, choices, groups
from engine.command_line.overrides import find_syntax_error, quoted, takes_text
from engine.command_line.schema import is_inside_mapping, keys_of, keys_of_elements, run_schema
from engine.errors import UserError, suggest
from engine.pipeline.config import RunConfig
from engine.runtime.secrets import masked

CONFIG_NAME = "run"
"""The config that composing starts with, conf/run.yaml."""
_REFERENCE = re.compile(r"\$\{(?P<key>[\w.]+)\}")
"""A value that only refers to another key, as `${collection}` does."""
_NOT_CONVERTED = re.compile(r"Value '(?P<value>.*)' of type '\w+' could not be converted to (?P<kind>Float|Integer)")
_SURELY_MEANT = 0.9
"""A key that is as like to a wrong one as this (`difflib`) is a misspelling of it."""
_NUMBERS = {"Float": "a number", "Integer": "a whole number"}
"""The kinds of numbers in words, by the name that OmegaConf has for them."""


def register() -> None:
    """Makes RunConfig the schema of conf/run.yaml: unknown keys and wrong types fail at composition."""
    ConfigStore.instance().store(name="schema", node=run_schema())


def load_config(overrides: Sequence[str], config_dir: str = "") -> tuple[RunConfig, str]:
    """Composes a run's config.

    Args:
        overrides: as on the command line.
        config_dir: a folder with files of the user's own; empty: `./conf`.

    Returns:
        The typed config, and the same as YAML.

    Raises:
        UserError: a key, value or group choice is wrong.
    """
    register()
    GlobalHydra.instance().clear()
    user_conf = find_user_conf(config_dir)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            return typed(compose(CONFIG_NAME, overrides=find_user_files(overrides, user_conf)))
        except yaml.YAMLError as error:
            raise explain_yaml(error) from error
        except (HydraException, OmegaConfBaseException, ValueError) as error:  # a group set to null is a ValueError
            syntax_error = find_syntax_error(overrides)
            in_files = filter(None, map(find_mistake, chosen_files(overrides, user_conf)))
            raise syntax_error or next(in_files, None) or explain(error, overrides, user_conf) from error


def typed(config: DictConfig) -> tuple[RunConfig, str]:
    """Turns a composed config into dataclasses, and into YAML in which secrets are masked.

    Raises:
        UserError: a key is not part of the schema (`+key=...` gets past Hydra), a value is missing, or a number is not
            finite.
    """
    valid = set(keys_of(run_schema()))
    for key in keys_of(config):
        if key not in valid and not is_inside_mapping(key):
            raise UserError(f"there is no key {key!r}", where=key, remedy=_closest(key))
    check_finite(config)
    try:
        run_config = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise explain(error, []) from error
    assert isinstance(run_config, RunConfig), "the schema of conf/run.yaml is RunConfig"
    with_origins: RunConfig = _with_origins(run_config, config)
    return with_origins, _written(config)


def _with_origins(group: Any, config: DictConfig) -> Any:
    """Tells every group that asks for it under which keys the user wrote its settings, so that messages name those.

    Args:
        group: a dataclass of the config.
        config: the same, as it was composed.
    """
    changed: dict[str, Any] = {}
    for field in fields(group):
        value = getattr(group, field.name)
        if field.name == "origins":
            changed["origins"] = {str(name): _key_written(config, str(name)) for name in config}
        elif is_dataclass(value) and not isinstance(value, type):
            changed[field.name] = _with_origins(value, config[field.name])
    return replace(group, **changed) if changed else group


def _key_written(group: DictConfig, name: str) -> str:
    """Returns the key that a setting of a group follows, or its own where it follows none."""
    node = group._get_node(name)
    assert isinstance(node, Node), "a name of a group has one node"
    reference = _REFERENCE.fullmatch(str(node._value())) if node._is_interpolation() else None
    return reference["key"] if reference else str(node._get_full_key(None))


def _written(config: DictConfig) -> str:
    """Returns a config as YAML that may be kept: secrets are masked."""
    values = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    if (written := masked(values)) == values:
        return OmegaConf.to_yaml(config, resolve=True)
    return str(yaml.safe_dump(written, allow_unicode=True, sort_keys=False))


def explain(error: Exception, overrides: Sequence[str], user_conf: Path | None = None) -> UserError:
    """Turns an error of Hydra or OmegaConf into one that a user can act on.

    Args:
        error: what composing raised.
        overrides: as on the command line.
        user_conf: the folder of the user's own files, for the choices that there are.
    """
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
            remedy=suggest(choice, choices(group, user_conf)),
        )
    key = getattr(error, "full_key", None) or getattr(error.__cause__, "full_key", None) or "command line"
    return UserError(cause, where=str(key), remedy="`synthmill --cfg job` shows the composed config")


def _explain_value(cause: str, where: str) -> UserError:
    """Explains why an override has a value of the wrong type; `where` is the override."""
    if wrong := _NOT_CONVERTED.search(cause):
        number = _NUMBERS[wrong["kind"]]
        return UserError(f"{wrong['value']!r} is not {number}", where=where, remedy=f"give {number}")
    key, _, value = where.partition("=")
    if takes_text(key) and value.startswith(("[", "{")) and (text := quoted(key, value)):
        return UserError(
            "is not text but a list or a mapping", where=where, remedy=f"if it is a name, quote it: {text}"
        )
    return UserError(cause, where=where, remedy="give a value of the type that `synthmill --cfg job` shows")


def _closest(key: str) -> str:
    """Suggests keys for a wrong one: of the same group, of the same last name, else groups and top-level keys."""
    keys = list(keys_of(run_schema()))
    head, _, leaf = key.rpartition(".")
    siblings = [name for name in keys if name.rpartition(".")[0] == head and "." in name]
    same_leaf = [name for name in (*keys, *keys_of_elements()) if leaf == name.rpartition(".")[2]]
    if siblings and same_leaf and not difflib.get_close_matches(key, siblings, cutoff=_SURELY_MEANT):
        own_first = sorted(same_leaf, key=lambda name: not name.startswith(f"{head}."))
        return f"keys of that name are: {', '.join(own_first)}"
    if siblings:
        return suggest(key, siblings)
    top = {name.split(".")[0] for name in keys} | set(groups())
    return suggest(key, same_leaf or top)


def _override_of(key: str, overrides: Sequence[str]) -> str:
    """Returns the override that set a key, or the key where none did."""
    exact = (text for text in overrides if text.lstrip("+~").partition("=")[0].partition("@")[0] == key)
    return next(exact, next((text for text in overrides if text.lstrip("+~").startswith(f"{key}.")), key))

"""Finds config files of the user's own, and says what is wrong with one that does not fit the schema.

In: overrides. Out: overrides with which Hydra finds the files: `./conf` is searched beside the files that ship, and
`task=PATH.yaml` names one anywhere. Where composing fails, each chosen file is merged into the schema by itself, and
then ever smaller parts of it, since Hydra names neither the file nor the key of a mistake inside it.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, GrammarParseError, KeyValidationError, OmegaConfBaseException

from engine.command_line.groups import CONF, choices, groups
from engine.command_line.schema import annotated_type, run_schema, settings_of
from engine.errors import UserError, suggest
from engine.storage.lines import read_text

SUFFIXES = (".yaml", ".yml")
"""The endings of a choice that is the path of a file."""
WHOLE_GROUPS = ("judge", "expand")
"""The groups of which a run has every file: the rubrics of a judge, and what a report can have written for a query."""
_GLOBAL = "_global_"
"""Hydra's package of a file whose keys are those of the run."""
_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)\s*$", re.MULTILINE)
_CHOICE = re.compile(r"""^(\+{0,2})([a-z_]+)=(?P<quote>["']?)([^\s\[{,"'][^,"']*)(?P=quote)$""")
"""An override that may choose a file of a group: its plus signs, the group, a quote, the choice or a path."""
_TYPED: dict[str, str] = {}
"""What was typed, by what stands in its place in this process: like Hydra's store of configs, to which it belongs."""
_SCALARS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Chosen:
    """A file that an override chooses."""

    group: str
    """The config group of the override."""
    file: Path


def find_user_conf(config_dir: str = "") -> Path | None:
    """Finds the folder that is searched for the user's own files: `config_dir`, or `./conf` where it is empty.

    Returns:
        The folder; None where there is no `./conf`, or where it is the one that ships.

    Raises:
        UserError: `config_dir`, which the user named with `--config-dir`, is no folder.
    """
    folder = Path(config_dir or "conf").resolve()
    if config_dir and not folder.is_dir():
        raise UserError("there is no such folder", where=f"--config-dir={config_dir}", remedy="name one that exists")
    return folder if folder.is_dir() and folder != CONF else None


def chosen_files(overrides: Sequence[str], user_conf: Path | None = None) -> list[Chosen]:
    """Finds the files that overrides choose; an override whose file does not exist gives none.

    A name that both the user's folder and conf/ have gives two.
    """
    chosen = []
    for text in overrides:
        match = _CHOICE.match(text)
        if not match or match[2] not in groups():
            continue
        group, name = match[2], match[4]
        paths = [folder / group / f"{name}.yaml" for folder in (CONF, *([user_conf] if user_conf else []))]
        if name.endswith(SUFFIXES):
            paths = [Path(name).expanduser()]
        chosen += [Chosen(group, path) for path in paths if path.is_file()]
    return chosen


def find_user_files(overrides: Sequence[str], user_conf: Path | None = None) -> list[str]:
    """Rewrites overrides for Hydra: those that name a file by its path, and one more that names the folder to search.

    Args:
        overrides: as on the command line.
        user_conf: the user's folder, from `find_user_conf`.

    Raises:
        UserError: a file does not exist, is no YAML, or has the name of one that ships.
    """
    written = [_by_path(text) for text in overrides]
    if not user_conf or any(text.lstrip("+").startswith("hydra.searchpath=") for text in overrides):
        return written
    written += _with_whole_groups(overrides, user_conf)
    files = [(group, file) for group in WHOLE_GROUPS for file in (user_conf / group).glob("*.yaml")]
    for text in [*overrides, *(f"{group}={file.stem}" for group, file in files)]:
        both = chosen_files([text], user_conf)
        if len(both) > 1:
            remedy = f"rename yours, or name it by its path: {both[1].group}={_shown(both[1].file)}"
            raise UserError("has the name of a file that ships", where=_shown(both[1].file), remedy=remedy)
    return [*written, f'hydra.searchpath=["{user_conf.as_uri()}"]']


def _with_whole_groups(overrides: Sequence[str], user_conf: Path) -> list[str]:
    """Returns the overrides that load all files of the user's own of `WHOLE_GROUPS`; none where there are none.

    A run may use several, so all are loaded, and other keys name those that are asked (`examples.filters.judge`,
    `report.expand`).
    """
    written = []
    for group in WHOLE_GROUPS:
        names = sorted(file.stem for file in (user_conf / group).glob("*.yaml"))
        if names and not any(text.startswith(f"{group}=") for text in overrides):
            written.append(f"{group}=[{','.join(names)}]")
    return written


def _by_path(text: str) -> str:
    """Turns `task=PATH.yaml` into the choice of a config that is put into Hydra's store; others stay as they are."""
    match = _CHOICE.match(text)
    if not match or match[2] not in groups() or not match[4].endswith(SUFFIXES):
        return text
    group, file = match[2], Path(match[4]).expanduser()
    if not file.is_file():
        remedy = f"name a file, or one of: {', '.join(choices(group))}"
        raise UserError(f"there is no such file: {file.resolve()}", where=text, remedy=remedy)
    name = "own-" + re.sub(r"[^A-Za-z0-9]+", "-", str(file.with_suffix("").resolve())).strip("-")
    ConfigStore.instance().store(group=group, name=name, node=read_yaml(file), package=_package(file, group))
    written = f"{match[1]}{group}={name}"
    _TYPED[written] = text
    return written


def as_typed(override: str) -> str:
    """Returns an override as the user typed it, where `find_user_files` rewrote it: another process knows no other."""
    return _TYPED.get(override, override)


def read_yaml(file: Path) -> Any:
    """Reads a YAML file as OmegaConf does.

    Raises:
        UserError: it cannot be read, is no YAML or no mapping, holds a `${` that nothing closes, or what no config can.
    """
    try:
        node = OmegaConf.create(read_text(file))
    except yaml.YAMLError as error:
        raise explain_yaml(error, _shown(file)) from error
    except GrammarParseError as error:
        what = " ".join(str(error).split("\n    full_key")[0].split())
        remedy = "close the ${...}, or write \\${ for the text itself"
        raise UserError(what, where=f"{_shown(file)}: {error.full_key}", remedy=remedy) from error
    except (OmegaConfBaseException, RecursionError, ValueError) as error:  # no config has such a key or value
        raise _no_config(error, _shown(file)) from error
    if not OmegaConf.is_dict(node):
        raise UserError("holds no mapping", where=_shown(file), remedy="write `key: value` lines")
    return node


def _no_config(error: Exception, file: str) -> UserError:
    """Returns the error for a file that is YAML, of which a key or value is nothing that a config has."""
    if isinstance(error, RecursionError):
        return UserError("an anchor holds itself", where=file, remedy="write the values out in the place of *NAME")
    key = getattr(error, "full_key", None)
    what = " ".join(str(error).split("\n    full_key")[0].split())
    remedy = "write texts, numbers, true, false, null, lists and mappings, and a text for each key"
    return UserError(what, where=f"{file}: {key}" if key else file, remedy=remedy)


def explain_yaml(error: yaml.YAMLError, file: str = "") -> UserError:
    """Returns the error for a file that does not parse, with its line.

    Args:
        error: what the parser raised.
        file: the file as the user would write it; empty: as the error names it.
    """
    mark = getattr(error, "problem_mark", None)
    name = file or _shown(Path(str(getattr(mark, "name", "a config file")).strip('"')))
    what = " ".join(str(getattr(error, "problem", None) or error).split())
    remedy = "mend the YAML: indent with spaces, close what is opened, quote text with `: ` or `#` in it"
    return UserError(what, where=f"{name}:{mark.line + 1}" if mark else name, remedy=remedy)


def find_mistake(chosen: Chosen) -> UserError | None:
    """Names the first key or value of a file that does not fit the schema; None where all of it fits."""
    values = OmegaConf.to_container(read_yaml(chosen.file), resolve=False)
    assert isinstance(values, dict), "read_yaml gives a mapping"
    package = _package(chosen.file, chosen.group)
    path: tuple[str | int, ...] = () if package == _GLOBAL else tuple(package.split("."))
    for_hydra = ("defaults",) if path else ("defaults", "hydra")
    values = {name: value for name, value in values.items() if name not in for_hydra}
    if annotated_type(path) is None:  # `# @package` names what the schema does not have: the message of Hydra is used
        return None
    misfit = _smallest_misfit(run_schema(), path, values)
    if misfit is None or isinstance(misfit.error, KeyValidationError):  # the key is no text, and Hydra names it
        return None
    what, remedy = _in_words(misfit)
    key = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in misfit.path).removeprefix(".")
    return UserError(what, where=f"{_shown(chosen.file)}: {key}", remedy=remedy)


@dataclass(frozen=True)
class _Misfit:
    """A part of a file that does not fit the schema, and why."""

    path: tuple[str | int, ...]
    """Names of keys, and positions in lists."""
    value: Any
    error: OmegaConfBaseException


def _smallest_misfit(schema: DictConfig, path: tuple[str | int, ...], value: Any) -> _Misfit | None:
    """Merges a part of a file, and if that fails the parts of it, the first first.

    The path of OmegaConf's own error will not do: inside lists it is cut short, and where a list stands for a mapping
    it is empty.
    """
    error = _merge_error(schema, path, value)
    if error is None:
        return None
    kind = annotated_type(path)
    parts: dict[str | int, Any] = {}
    if isinstance(value, dict) and (is_dataclass(kind) or typing.get_origin(kind) is dict):
        parts = {str(name): part for name, part in value.items()}
    elif isinstance(value, list) and typing.get_origin(kind) is list:
        parts = dict(enumerate(value))
    inside = (_smallest_misfit(schema, (*path, name), part) for name, part in parts.items())
    return next(filter(None, inside), None) or _Misfit(path, value, error)


def _merge_error(schema: DictConfig, path: Sequence[str | int], value: Any) -> OmegaConfBaseException | None:
    """Merges one value into the schema at `path`; other values of a list on the way there are left out."""
    for name in reversed(path):
        value = [value] if isinstance(name, int) else {name: value}
    try:
        OmegaConf.merge(schema, value)
    except OmegaConfBaseException as error:
        return error
    return None


def _in_words(misfit: _Misfit) -> tuple[str, str]:
    """Says what is wrong with a part of a file, and the remedy."""
    kind, value = annotated_type(misfit.path), misfit.value
    if isinstance(misfit.error, ConfigKeyError):
        name, names = str(misfit.path[-1]), settings_of(annotated_type(misfit.path[:-1]))
        return f"there is no key {name!r}", suggest(name, names)
    if is_dataclass(kind):
        keys = ", ".join(settings_of(kind))
        return f"is {_described(value)}, not a mapping", f"write {{KEY: ...}} with keys of: {keys}"
    if typing.get_origin(kind) is dict:
        return f"is {_described(value)}, not a mapping", "write `name: value` lines under it"
    if typing.get_origin(kind) is list:
        return f"is {_described(value)}, not a list", f"write [{value}]"
    if issubclass(kind, Enum):
        return f"{value!r} is none of its values", suggest(str(value), [member.name for member in kind])
    return f"{value!r} is not {_SCALARS[kind]}", f"write {_SCALARS[kind]}"


def _described(value: Any) -> str:
    """Returns a value as an error shows it: a container by its kind, anything else as it stands."""
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else f"{value!r}"


def _package(file: Path, group: str) -> str:
    """Returns where the keys of a file go: what its line `# @package ...` says, or else its group."""
    match = _PACKAGE.search(file.read_text(encoding="utf-8", errors="replace"))
    return match[1] if match else group


def _shown(file: Path) -> str:
    """Returns a path as the user would write it: from the current folder, where it lies in there."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)

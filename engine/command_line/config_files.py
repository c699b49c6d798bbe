"""Config files of the user's own: where they are found, and what is wrong with one that does not fit the schema.

In: overrides. Out: overrides with which Hydra finds the files: `./conf` is searched beside the files that ship, and
`task=PATH.yaml` names one anywhere. Where composing fails, the file is walked along the schema, since Hydra names
neither the file nor the key of a mistake inside it.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import BooleanNode, EnumNode, FloatNode, IntegerNode, OmegaConf, StringNode
from omegaconf.errors import OmegaConfBaseException

from engine.errors import UserError, suggest
from engine.pipeline import RunConfig
from engine.storage.lines import read_text

CONF = Path(__file__).resolve().parents[2] / "conf"


SUFFIXES = (".yaml", ".yml")


_GLOBAL = "_global_"


_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)\s*$", re.MULTILINE)


_CHOICE = re.compile(r"^(\+{0,2})([a-z_]+)=([^\s\[\]{},]+)$")


_SCALARS: dict[Any, tuple[Callable[..., Any], str]] = {
    int: (IntegerNode, "a whole number"),
    float: (FloatNode, "a number"),
    str: (StringNode, "text"),
    bool: (BooleanNode, "true or false"),
}


@dataclass(frozen=True)
class Chosen:
    """A file that an override chooses."""

    group: str
    file: Path


def own_conf(config_dir: str = "") -> Path | None:
    """The folder that is searched for the user's files: `--config-dir`, or `./conf`; None where there is none."""
    folder = Path(config_dir or "conf").resolve()
    if config_dir and not folder.is_dir():
        raise UserError("there is no such folder", where=f"--config-dir={config_dir}", remedy="name one that exists")
    return folder if folder.is_dir() and folder != CONF else None


def groups() -> list[str]:
    """The config groups: the folders of conf/."""
    return sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and not folder.name.startswith("_"))


def choices(group: str, own: Path | None = None) -> list[str]:
    """The choices of a config group: the names of its files, the user's among them."""
    folders = [CONF, *([own] if own else [])]
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})


def chosen_files(overrides: Sequence[str], own: Path | None = None) -> list[Chosen]:
    """The files that overrides choose, as far as they exist."""
    found = []
    for text in overrides:
        match = _CHOICE.match(text)
        if not match or match[2] not in groups():
            continue
        group, name = match[2], match[3]
        paths = [folder / group / f"{name}.yaml" for folder in (CONF, *([own] if own else []))]
        if name.endswith(SUFFIXES):
            paths = [Path(name).expanduser()]
        found += [Chosen(group, path) for path in paths if path.is_file()]
    return found


def find_own_files(overrides: Sequence[str], own: Path | None = None) -> list[str]:
    """The overrides, with those that name a file by its path rewritten, and the user's folder to search.

    Raises:
        UserError: a file does not exist, is no YAML, or has the name of one that ships.
    """
    written = [_by_path(text) for text in overrides]
    if not own or any(text.lstrip("+").startswith("hydra.searchpath=") for text in overrides):
        return written
    for text in overrides:
        both = chosen_files([text], own)
        if len(both) > 1:
            remedy = f"rename yours, or name it by its path: {both[1].group}={_shown(both[1].file)}"
            raise UserError("has the name of a file that ships", where=_shown(both[1].file), remedy=remedy)
    return [*written, f'hydra.searchpath=["{own.as_uri()}"]']


def _by_path(text: str) -> str:
    """`task=PATH.yaml` as the choice of a config that is put into Hydra's store."""
    match = _CHOICE.match(text)
    if not match or match[2] not in groups() or not match[3].endswith(SUFFIXES):
        return text
    group, file = match[2], Path(match[3]).expanduser()
    if not file.is_file():
        remedy = f"name a file, or one of: {', '.join(choices(group))}"
        raise UserError(f"there is no such file: {file.resolve()}", where=text, remedy=remedy)
    name = "own-" + re.sub(r"[^A-Za-z0-9]+", "-", str(file.with_suffix("").resolve())).strip("-")
    ConfigStore.instance().store(group=group, name=name, node=read_yaml(file), package=_package(file, group))
    return f"{match[1]}{group}={name}"


def read_yaml(file: Path) -> Any:
    """A YAML file as OmegaConf reads it.

    Raises:
        UserError: it cannot be read, is no YAML, or no mapping.
    """
    try:
        node = OmegaConf.create(read_text(file))
    except yaml.YAMLError as error:
        raise explain_yaml(error, _shown(file)) from error
    if not OmegaConf.is_dict(node):
        raise UserError("holds no mapping", where=_shown(file), remedy="write `key: value` lines")
    return node


def explain_yaml(error: yaml.YAMLError, file: str = "") -> UserError:
    """What is wrong with a file that does not parse, and the line."""
    mark = getattr(error, "problem_mark", None)
    name = file or _shown(Path(str(getattr(mark, "name", "a config file")).strip('"')))
    what = " ".join(str(getattr(error, "problem", None) or error).split())
    remedy = "mend the YAML: indent with spaces, close what is opened, quote text with `: ` or `#` in it"
    return UserError(what, where=f"{name}:{mark.line + 1}" if mark else name, remedy=remedy)


def find_mistake(chosen: Chosen) -> UserError | None:
    """The first key or value of a file that does not fit the schema."""
    values = OmegaConf.to_container(read_yaml(chosen.file), resolve=False)
    assert isinstance(values, dict), "read_yaml gives a mapping"
    package = _package(chosen.file, chosen.group)
    path = [] if package == _GLOBAL else package.split(".")
    kind: Any = RunConfig
    for name in path:
        hints = typing.get_type_hints(kind) if is_dataclass(kind) else {}
        if name not in hints:  # `# @package` says otherwise than the schema: Hydra's own words must do
            return None
        kind = hints[name]
    values = {name: value for name, value in values.items() if path or name not in ("defaults", "hydra")}
    where, mistake = next(_mistakes(kind, values, ".".join(path)), ("", None))
    if mistake is None:
        return None
    what, remedy = mistake
    return UserError(what, where=f"{_shown(chosen.file)}: {where}", remedy=remedy)


_Mistake = tuple[str, tuple[str, str]]
"""Path of a key, and what is wrong with it and the remedy."""


def _mistakes(kind: Any, value: Any, path: str) -> Iterator[_Mistake]:
    if isinstance(value, str) and value.startswith("${"):
        return
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return
        [kind] = [own for own in arguments if own is not type(None)]
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        yield from _wrong_fields(kind, value, path)
    elif origin is dict:
        if not isinstance(value, Mapping):
            yield path, (f"is {_described(value)}, not a mapping", "write `name: value` lines under it")
            return
        for name, own in value.items():
            yield from _mistakes(arguments[1], own, f"{path}.{name}")
    elif origin is list:
        if not isinstance(value, list):
            yield path, (f"is {_described(value)}, not a list", f"write [{value}]")
            return
        for index, own in enumerate(value):
            yield from _mistakes(arguments[0], own, f"{path}[{index}]")
    elif kind is not Any:
        yield from _wrong_scalar(kind, value, path)


def _wrong_fields(kind: Any, value: Any, path: str) -> Iterator[_Mistake]:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    if not isinstance(value, Mapping):
        yield path, (f"is {_described(value)}, not a mapping", f"write {{KEY: ...}} with keys of: {', '.join(names)}")
        return
    for name, own in value.items():
        here = f"{path}.{name}".lstrip(".")
        if name not in hints:
            yield here, (f"there is no key {str(name)!r}", suggest(str(name), names))
        else:
            yield from _mistakes(hints[name], own, here)


def _wrong_scalar(kind: Any, value: Any, path: str) -> Iterator[_Mistake]:
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            EnumNode(kind, value=value, is_optional=False)
        except OmegaConfBaseException:
            yield path, (f"{value!r} is none of its values", suggest(str(value), [own.name for own in kind]))
    elif kind in _SCALARS:
        node, wanted = _SCALARS[kind]
        try:
            node(value=value, is_optional=False)
        except OmegaConfBaseException:
            yield path, (f"{value!r} is not {wanted}", f"write {wanted}")


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else f"{value!r}"


def _package(file: Path, group: str) -> str:
    """Where the file's keys go, as its first lines say: `# @package _global_`."""
    match = _PACKAGE.search(file.read_text(encoding="utf-8", errors="replace"))
    return match[1] if match else group


def _shown(file: Path) -> str:
    """A path as the user would write it."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)

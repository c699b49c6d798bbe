"""What a sweep file says: the space, what is judged by, how many points, and how they are found and stopped.

    overrides: [experiment=adapt, collection=DIR, until=model, model.validation.every=10]
    space:
      model.learning_rate: {loguniform: [1e-5, 1e-4]}
      model.epochs: {int: [1, 4]}
    metric: validation      # or held_out, or a figure of a record such as examples.kept
    points: 20
    stop: asha              # or median, or none

In: the mapping that YAML gives. Out: a SweepConfig, or an error that names the file and the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from engine.errors import UserError, suggest
from engine.storage.run_folders import LONGEST_NAME_BYTES
from engine.sweeps.metric import WORDS
from engine.sweeps.search import Method
from engine.sweeps.space import Space, read_space
from engine.sweeps.stopping import Stop

_NAME = re.compile(r"[\w.-]+")
_KEYS = ("name", "overrides", "space", "metric", "mode", "points", "concurrency", "search", "stop", "seed")

Choice = TypeVar("Choice", bound=Enum)


class Mode(Enum):
    """Which scores are the good ones."""

    max = "max"
    min = "min"


@dataclass(frozen=True)
class SweepConfig:
    """A search among many runs.

    Attributes:
        where: the file, for messages.
        name: of the sweep's folder below `runs_dir/sweeps`.
        overrides: what every point is given, before what the command line adds.
        space: what differs between points.
        metric: what points are judged by; empty: `held_out` where a run makes its report, else `validation`.
        mode: which scores are the good ones.
        says_mode: whether the file says which ones are.
        points: how many are tried, all starts of the sweep together.
        concurrency: how many run at a time; 0 leaves it open.
        search: how they are found.
        stop: how those that are behind are stopped.
        seed: of what is drawn.
    """

    where: str
    name: str
    overrides: tuple[str, ...]
    space: Space
    metric: str = ""
    mode: Mode = Mode.max
    says_mode: bool = False
    points: int = 20
    concurrency: int = 0
    search: Method = Method.tpe
    stop: Stop = Stop.none
    seed: int = 0


def read_sweep(given: Mapping[str, Any], where: str, name: str) -> SweepConfig:
    """Reads a sweep file.

    Args:
        given: what it says.
        where: its path, for messages.
        name: the name of the sweep where the file gives none.

    Raises:
        UserError: a key is unknown, or has a value that it cannot have.
    """
    for key in given:
        if key not in _KEYS:
            raise UserError(f"there is no key {key!r}", where=where, remedy=suggest(str(key), _KEYS))
        if given[key] is None and key != "space":
            raise UserError("has no value", where=f"{where}: {key}", remedy="write one behind it, or leave the key out")
    name = str(given.get("name", name))
    if not _NAME.fullmatch(name) or name in (".", ".."):
        remedy = "use letters, digits, dots, dashes and underscores"
        raise UserError(f"{name!r} is no name of a folder", where=f"{where}: name", remedy=remedy)
    if len(name.encode()) > LONGEST_NAME_BYTES:
        remedy = f"take {LONGEST_NAME_BYTES} bytes at most: a folder has this name"
        raise UserError(f"{name[:20]!r}... has {len(name.encode())} bytes", where=f"{where}: name", remedy=remedy)
    return SweepConfig(
        where,
        name,
        _overrides(given.get("overrides", []), where),
        read_space(given.get("space"), where),
        str(given.get("metric", "")),
        _member(Mode, given.get("mode", "max"), f"{where}: mode"),
        "mode" in given,
        _number(given.get("points", 20), 1, f"{where}: points"),
        _number(given.get("concurrency", 0), 0, f"{where}: concurrency"),
        _member(Method, given.get("search", "tpe"), f"{where}: search"),
        _member(Stop, given.get("stop", "none"), f"{where}: stop"),
        _number(given.get("seed", 0), 0, f"{where}: seed"),
    )


def check_mode(config: SweepConfig, metric: str) -> None:
    """Refuses a search for the worst point, and one for a figure of which nobody said whether it is to be high or low.

    Raises:
        UserError: low is taken to be good of an nDCG, or `mode` is left out where only the user knows it.
    """
    where = f"{config.where}: mode"
    if metric in WORDS and config.mode is Mode.min:
        what = f"min would look for the worst point: high is good of {metric}, an nDCG"
        raise UserError(what, where=where, remedy="leave it out, or write mode: max")
    if metric not in WORDS and not config.says_mode:
        remedy = "write mode: max, or mode: min where low is good, as of model.loss.last"
        raise UserError(f"nothing says whether {metric} is to be high or low", where=where, remedy=remedy)


def _overrides(given: object, where: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        remedy = "write overrides: [experiment=adapt, collection=DIR], and quote those with blanks or signs"
        raise UserError("are no list of texts", where=f"{where}: overrides", remedy=remedy)
    return tuple(given)


def _member(kind: type[Choice], given: object, where: str) -> Choice:
    name = str(given).lower() if isinstance(given, str) else str(given)
    members = {member.value: member for member in kind}
    if name not in members:
        raise UserError(f"{given!r} is none of its values", where=where, remedy=suggest(name, members))
    return members[name]


def _number(given: object, least: int, where: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise UserError(f"{given!r} is out of range", where=where, remedy=f"set it to a whole number from {least} on")
    return given

"""The best point of a sweep as an experiment file, to be run, changed or named in other experiments.

In: overrides. Out: YAML in the form of conf/experiment: the groups that were chosen, then the keys that differ. The
command that runs it stands in its second line. Overrides that say where something runs are left out; files that a group
was chosen by, and what takes a key away (`~key`), stand in that command.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from omegaconf import OmegaConf

from engine.runtime.secrets import masked
from engine.storage.files import write_text
from engine.sweeps.written import as_override

_NOT_THE_EXPERIMENTS = ("run_dir", "runs_dir", "preview", "sample", "tracking", "cluster", "hydra", "until")
"""The first parts of keys that are of a run, or of a machine, and not of an experiment."""
_BY_PATH = (".yaml", ".yml")


def write_best(file: Path, overrides: Sequence[str], groups: Sequence[str], score: str) -> str:
    """Writes the experiment file, and returns the command that runs it, as a shell takes it.

    Args:
        file: where it goes.
        overrides: all that the point was given, later ones in the place of earlier ones.
        groups: the names of the config groups: choosing of them is no setting of a key.
        score: what it reached, in words, for a comment.
    """
    defaults, keys, beside = dict[str, Any](), OmegaConf.create({}), list[str]()
    base: Any = OmegaConf.create({})
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key, value = override.key_or_group, override.value()
        if key.partition(".")[0].partition("/")[0] in _NOT_THE_EXPERIMENTS:
            continue
        if override.type is OverrideType.DEL:
            beside.append(str(override.input_line))  # no file can take a key away
        elif key == "experiment" and str(value).endswith(_BY_PATH):
            base = OmegaConf.load(Path(str(value)).expanduser())
        elif key not in groups:
            OmegaConf.update(keys, key, value, force_add=True)
        elif str(value).endswith(_BY_PATH):
            beside.append(as_override(key, value))  # a list of defaults names no file by its path
        else:
            defaults[key] = value
    named = [defaults.pop("experiment")] if "experiment" in defaults else []
    chosen = [{f"override /{key}": name} for key, name in defaults.items()]
    values: Any = masked(OmegaConf.to_container(OmegaConf.merge(base, keys), resolve=False))
    below = [entry for entry in values.pop("defaults", []) if entry != "_self_"]
    listed = [*below, *named, *chosen, "_self_"]
    text = yaml.safe_dump({"defaults": listed, **values}, allow_unicode=True, sort_keys=False)
    command = shlex.join(["synthmill", as_override("experiment", str(file)), *beside])
    write_text(file, f"# @package _global_\n# {command}\n# {score}\n{text}")
    return command

"""A job as a cluster takes it: text to read, keep or submit, and the command that submits it.

In: the overrides of a run and a LaunchConfig. Out: a Job. Each text is made from a file in templates/, so that what a
cluster will be told can be read there as a whole; values get into it as JSON (which YAML reads as the same text) or
quoted for the shell, and in no other way.
"""

from __future__ import annotations

import json
import os
import shlex
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.launch.config import LaunchConfig, in_home
from engine.launch.sizes import gpus_to_count_on
from engine.runtime.cluster import Launcher

TEMPLATES = Path(__file__).resolve().parent / "templates"
"""The folder with one file for each kind of cluster."""
AWS_BIN = "/home/ubuntu/synthmill/.venv/bin"
"""Where cluster.yaml sets synthmill up."""
SHARED = "/shared"
"""Where pods mount the volume of `launch.claim`."""
_ON_DEMAND = "cluster.gpus_on_demand"
_AUTOSCALING = "cluster.autoscaling"


@dataclass(frozen=True)
class Job:
    """What a cluster is told."""

    text: str
    """A manifest, a script, or commands."""
    command: tuple[str, ...]
    """The command that submits the text, which it reads from its standard input."""


_PATHS_HERE = {
    Launcher.ray: ("working_dir",),
    Launcher.aws: ("working_dir", "cluster_yaml"),
    Launcher.slurm: ("environment_from",),
    Launcher.kuberay: (),
}
"""The keys whose values are paths of this machine, or, for Slurm, of nodes that have the same homes."""
_COMMANDS = {
    Launcher.ray: ("bash", "-s"),
    Launcher.aws: ("bash", "-s"),
    Launcher.slurm: ("sbatch",),
    # Not `apply`: a RayJob of that name which has finished would stay as it is, and nothing would run.
    Launcher.kuberay: ("kubectl", "create", "--filename", "-"),
}


def make_job(
    launcher: Launcher,
    overrides: Sequence[str],
    config: LaunchConfig,
    name: str,
    engine_gpus: Iterable[float] = (),
    *,
    gpus_on_demand: int = 0,
) -> Job:
    """Renders the job that runs `synthmill` with these overrides on a cluster.

    Args:
        launcher: the kind of cluster.
        overrides: what follows `synthmill` there, without the keys of `launch`.
        config: size and places.
        name: the name of the job, in the form of `job_name`.
        engine_gpus: the GPUs that engines of the run are set to have, see `sizes.engine_gpus`.
        gpus_on_demand: `cluster.gpus_on_demand` of the run, as it is here.

    Raises:
        UserError: a setting is missing without which that cluster cannot run it, or names a place that is not known.
    """
    if launcher is Launcher.kuberay:
        _check_pods(config)
    programs = _programs(launcher, config)
    added = _added(launcher, overrides, config, engine_gpus, gpus_on_demand)
    values = asdict(config) | {
        "name": name,
        "bin": programs,
        "words": [_program("synthmill", programs), *overrides, *added],
        "ray": _program("ray", programs),  # on a node; the scripts call that of this machine by its name
        "ray_version": metadata.version("ray"),
        "shared": SHARED,
    }
    values["driver_cpus"] = f"{config.driver_cpus:g}"
    for key in _PATHS_HERE[launcher]:
        values[key] = in_home(values[key], f"launch.{key}")
    return Job(_render(launcher, values), _COMMANDS[launcher])


def _check_pods(config: LaunchConfig) -> None:
    """Refuses pods that could not run the job.

    Raises:
        UserError: they have no image, do not see what is sent along, or none of them may have the driver.
    """
    if not config.image:
        remedy = "name the image that deploy/Dockerfile makes: launch.image=REGISTRY/synthmill:TAG"
        raise UserError("pods have no synthmill without an image", where="launch.image=''", remedy=remedy)
    if config.working_dir and "://" not in config.working_dir:
        remedy = "name a zip file by its URL, or put the files into the image"
        raise UserError("no pod sees this folder", where=f"launch.working_dir={config.working_dir}", remedy=remedy)
    where = f"launch.driver_cpus={config.driver_cpus:g}"
    if not config.driver_cpus:
        remedy = "set it to more than 0"
        raise UserError("puts the driver on the head, which has no volume and no secret", where=where, remedy=remedy)
    if config.driver_cpus > config.cpus_per_node:
        remedy = f"set it to at most launch.cpus_per_node={config.cpus_per_node}"
        raise UserError("is more than a pod has, and the job would never start", where=where, remedy=remedy)


def _added(
    launcher: Launcher,
    overrides: Sequence[str],
    config: LaunchConfig,
    engine_gpus: Iterable[float],
    gpus_on_demand: int,
) -> list[str]:
    """Returns the override by which the run knows what nodes there may be, where `overrides` do not say it.

    With a queue that is what is up: Kueue admits the pods together, KubeRay starts the driver once all of them are
    ready, and none comes later. A run that waited for more would wait until its hours are over. Without a queue no pod
    with a GPU is there when the run starts, and it has to know of those that may come. So it is on AWS, where the
    config says how many, and engines that do not fill an instance make it fewer.
    """
    if launcher not in (Launcher.kuberay, Launcher.aws):
        return []
    if launcher is Launcher.kuberay and config.queue:
        key, value = _AUTOSCALING, "false"
    else:
        gpus = gpus_to_count_on(launcher, config, engine_gpus, gpus_on_demand)
        key, value = _ON_DEMAND, "" if gpus == gpus_on_demand else str(gpus)
    is_said = any(text.lstrip("+").startswith(f"{key}=") for text in overrides)
    return [] if is_said or not value else [f"{key}={value}"]


def _programs(launcher: Launcher, config: LaunchConfig) -> str:
    """Returns the folder of `synthmill` and `ray` on the nodes; empty where they are on the PATH.

    Raises:
        UserError: it is in a home folder of other machines.
    """
    if launcher is Launcher.slurm:
        return in_home(config.bin, "launch.bin") or sysconfig.get_path("scripts")
    if config.bin.startswith("~"):
        what, remedy = "the home folder of the nodes is not known here", "write the path in full"
        raise UserError(what, where=f"launch.bin={config.bin}", remedy=remedy)
    return config.bin or (AWS_BIN if launcher is Launcher.aws else "")


def _program(name: str, folder: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118  # a path on another machine


def _render(launcher: Launcher, values: Mapping[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(  # YAML and shell, not HTML
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        comment_start_string="<#",  # the usual `{#` is the length of an array to bash
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"json": lambda value: json.dumps(value, ensure_ascii=False), "sh": _for_shell}
    return environment.get_template(f"{launcher.value}.jinja").render(values)


def _for_shell(value: str | Sequence[str]) -> str:
    """Quotes a word, or all words of a command, for the shell."""
    return shlex.quote(value) if isinstance(value, str) else shlex.join(value)

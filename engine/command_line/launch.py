"""`synthmill launch cluster=... [overrides]`: the same run on a cluster, as what that cluster takes.

In: the overrides of a run, and those of `launch`. Out: a command, a manifest or a script, on the terminal, in a file,
or submitted. The config is composed and checked first, as far as no data is needed, so that a mistake costs no node.
What would write a secret into the job is refused.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.command_line.config_files import chosen_files, find_user_conf
from engine.command_line.groups import CONF
from engine.command_line.overrides import points_to_check, split_flags
from engine.errors import UserError
from engine.generation.config import generator_configs, model_configs
from engine.launch.config import job_name
from engine.launch.job import SHARED, Job, make_job
from engine.launch.sizes import check_sizes, check_workers, engine_gpus
from engine.models.hub import HUB_ID
from engine.runtime.cluster import Launcher
from engine.runtime.secrets import redacted_argument
from engine.storage.files import make_folder, write_text
from engine.storage.store import BATCH_NOUNS, CHUNK_SIZES_NOUNS

if TYPE_CHECKING:
    from engine.pipeline.config import RunConfig

_WITHOUT_TRAINING = {*CHUNK_SIZES_NOUNS, *BATCH_NOUNS}
"""What a run ends with that trains nothing."""
_SWEEP = {"-m", "--multirun"}
_KEYS = "launch."
_SENT = "launch.working_dir"
_SHIPPED = ("bundled:", "package:")
"""How the names of files begin that are a part of synthmill."""


def launch(arguments: Sequence[str]) -> int:
    """Checks a run and makes a job of it.

    Args:
        arguments: what follows `launch`, templates quoted for Hydra.

    Returns:
        The exit code: 0, or that of the command that submits.

    Raises:
        UserError: the run would be refused, `cluster` names no cluster, or something of this machine alone, or secret,
            would have to be in the job.
    """
    from engine.command_line.compose import load_config
    from engine.pipeline.config import last_noun
    from engine.pipeline.published import target_of
    from engine.pipeline.steps import steps
    from engine.run import check_config, run_folder

    flags, overrides = split_flags(arguments)
    if searched := [text for text in overrides if text.startswith("sweep=")]:
        remedy = "start the search on a node of the cluster, with cluster=ray; -m makes a job of a grid"
        raise UserError("a search is no job: it starts its points itself", where=f"launch {searched[0]}", remedy=remedy)
    if others := [flag for flag in flags if flag not in _SWEEP]:
        remedy = "leave it out; -m makes a job of a sweep"
        raise UserError("is not for a job", where=f"launch {others[0]}", remedy=remedy)
    _check_secrets(overrides)
    configs = [load_config(point)[0] for point in (points_to_check(overrides) if flags else [overrides])]
    for config in configs:
        are_here = _is_here(config.prompts.path) and _is_here(config.queries.path)
        check_config(config, looks=are_here)
        _check_places(config)
        check_sizes(config.cluster.launcher, config.samples, config.launch)
        if last_noun(config) not in _WITHOUT_TRAINING:
            workers = (config.model.num_workers, config.model.gpus_per_worker)
            check_workers(config.cluster.launcher, *workers, config.launch)
        target_of(config)
        if are_here:
            steps(config)  # which refuses more
    first = configs[0]
    _check_own_files(first, overrides)
    run = [text for text in overrides if not text.lstrip("+~").startswith(_KEYS)]
    name = job_name(first.launch.name or run_folder(first).name)
    gpus = {size for config in configs for size in engine_gpus(config.samples)}
    on_demand = first.cluster.gpus_on_demand
    job = make_job(first.cluster.launcher, [*flags, *run], first.launch, name, gpus, gpus_on_demand=on_demand)
    return _hand_over(job, first)


def _hand_over(job: Job, config: RunConfig) -> int:
    """Writes the job, submits it, or both; with neither, prints it."""
    if output := config.launch.output:
        file = Path(output).expanduser()
        if file.is_dir():
            raise UserError("is a folder", where=f"launch.output={output}", remedy="name a file")
        make_folder(file.absolute().parent, where=f"launch.output={output}")
        write_text(file, job.text)
        sys.stdout.write(f"{'job':<10} {file}; to submit it: {shlex.join(job.command)} < {shlex.quote(str(file))}\n")
    if config.launch.submit:
        return _submit(job)
    if not output:
        sys.stdout.write(job.text)
    return 0


def _submit(job: Job) -> int:
    """Runs the command that submits, with what it says on this terminal; `ray` of this environment is found by it."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    try:
        done = subprocess.run(job.command, input=job.text, text=True, env=os.environ | {"PATH": path}, check=False)
    except FileNotFoundError as error:
        remedy = "run it where that program is, or have the job written: launch.output=FILE"
        raise UserError(f"there is no {job.command[0]} here", where="launch.submit=true", remedy=remedy) from error
    return done.returncode


def _check_secrets(overrides: Sequence[str]) -> None:
    for text in overrides:
        if redacted_argument(text) != text:
            remedy = "keep it where the cluster keeps secrets, and name that place: launch.environment_from=NAME"
            where = redacted_argument(text.lstrip("+~"))
            raise UserError("is a secret, and a job can be read by others", where=where, remedy=remedy)


def _check_places(config: RunConfig) -> None:
    """Refuses a run whose results would be lost with the machines that made them, and one that is for this machine."""
    if config.cluster.launcher is Launcher.none:
        where = f"cluster.launcher={config.cluster.launcher.value}"
        raise UserError("is a run on this machine", where=where, remedy="set cluster=ray, kuberay, slurm or aws")
    if config.preview:
        remedy = "leave it out: `synthmill preview=...` needs no cluster"
        raise UserError("looks at prompts only", where=f"preview={config.preview}", remedy=remedy)
    if config.cluster.launcher is Launcher.slurm:
        return  # a job starts in the folder where it was submitted, which its nodes see
    in_pods = config.cluster.launcher is Launcher.kuberay
    # The store is below runs_dir, also where run_dir names the run folder, whose entries are links to it.
    places = {key: path for key, path in (("run_dir", config.run_dir), ("runs_dir", config.runs_dir)) if path}
    for key, path in places.items():
        if "://" in path:
            continue
        where = f"{key}={path}"
        shared = f"{SHARED}/runs" if key == "runs_dir" else f"{SHARED}/runs/NAME"
        other = "or a bucket (runs_dir=s3://BUCKET/runs)" if key == "runs_dir" else "or leave it out"
        if not Path(path).is_absolute():
            remedy = f"name a disk that all nodes see ({key}={shared}), {other}"
            raise UserError("would lie on one node, and be lost with it", where=where, remedy=remedy)
        if in_pods and (not config.launch.claim or not Path(os.path.normpath(path)).is_relative_to(SHARED)):
            remedy = f"name a folder where the volume of launch.claim=NAME is ({key}={shared}), {other}"
            raise UserError("lies in a pod, and is lost with it", where=where, remedy=remedy)
    _check_files(config)


def _check_files(config: RunConfig) -> None:
    """Refuses what is read or written by a relative path: no node has the folder in which this command was typed."""
    for key, path in (("samples.output", config.samples.output), ("tracking.figures", config.tracking.figures)):
        if _is_relative(path):
            remedy = f"name a file on a disk that all nodes see ({key}={SHARED}/NAME)"
            raise UserError("would lie on one node, and be lost with it", where=f"{key}={path}", remedy=remedy)
    if config.launch.working_dir:
        return  # which a job starts in
    _check_models(config)
    for key, path in _inputs(config).items():
        if _is_relative(path):
            remedy = f"name a disk that all nodes see ({key}={SHARED}/NAME), or a URL ({key}=s3://BUCKET/NAME)"
            raise UserError(
                "is a place on this machine", where=f"{key}={path}", remedy=f"{remedy}, or send it along ({_SENT})"
            )


def _check_models(config: RunConfig) -> None:
    """Refuses models that are folders of this machine; what has the form of a hub id is one where no folder has it."""
    for key, name in _models(config):
        if _is_relative(name) and (not HUB_ID.fullmatch(name) or Path(name).exists()):
            remedy = f"name a folder on a disk that all nodes see ({key}={SHARED}/NAME), or a hub id (owner/name)"
            raise UserError("is a folder of this machine", where=f"{key}={name}", remedy=f"{remedy}, or set {_SENT}")


def _models(config: RunConfig) -> list[tuple[str, str]]:
    """Lists the models that a run loads, each with its key, those first that others follow."""
    samples, model, report = config.samples, config.model, config.report
    further = {f"samples.models.{name}": each for name, each in model_configs(samples).items() if name}
    mixed = {f"samples.mix.{name}": each for name, each in generator_configs(samples).items()}
    writing = {"samples": samples, **further, **mixed}
    judging = {"judge.cascade": config.judge.cascade, "report.generator": [report.generator]}
    judging["model.teacher.generator"] = [model.teacher.generator]
    return [
        *((f"{key}.{name}", getattr(each, name)) for key, each in writing.items() for name in ("model", "lora")),
        ("judge.model", config.judge.model),
        *((f"{key}: model", str(each.get("model", ""))) for key, settings in judging.items() for each in settings),
        ("model.base", model.base),
        ("model.guide", model.guide),
        ("model.retriever.model", model.retriever.model),
        ("model.teacher.cross_encoder", model.teacher.cross_encoder),
        ("examples.encoder.model", config.examples.encoder.model),
        ("demonstrations.encoder.model", config.demonstrations.encoder.model),
        ("report.encoder.model", report.encoder.model),
        *(("report.bases", each.model) for each in report.further_bases().values()),
        *(("report.rerankers", each.model) for each in report.reranker_entries().values()),
        ("system.reranker", config.system.named_reranker),
    ]


def _inputs(config: RunConfig) -> dict[str, str]:
    """Lists the paths of what a run reads, by their keys, those first that others follow."""
    report = config.report
    paths = {
        "collection": config.collection,
        "documents.path": config.documents.path,
        "prompts.path": config.prompts.path,
        "queries.path": config.queries.path,
        "examples.path": config.examples.path,
        "demonstrations.path": config.demonstrations.path,
        "report.queries": report.queries,
        "report.similarity": report.similarity,
        "report.labelled": report.labelled,
    }
    if os.sep in report.benchmark:  # one that ships has a name
        paths["report.benchmark"] = report.benchmark
    word_lists = {f"task.attributes.{name}.file": each.file for name, each in config.task.attributes.items()}
    return paths | word_lists | {f"stages.sets.{name}.path": each.path for name, each in config.stages.sets.items()}


def _is_relative(path: str) -> bool:
    """Tells whether a path begins at the folder in which a command is typed.

    That of a file that ships with synthmill does not, nor does one in the home folder: nodes may share homes too.
    """
    return bool(path) and "://" not in path and not path.startswith((*_SHIPPED, "~", os.sep))


def _is_here(path: str) -> bool:
    """Tells whether a file is on this machine, and not on the disk of a cluster alone; an empty path is no file."""
    return not path or Path(path).expanduser().exists()


def _check_own_files(config: RunConfig, overrides: Sequence[str]) -> None:
    """Refuses config files of the user's own that the nodes would not have."""
    if config.cluster.launcher is Launcher.slurm or config.launch.working_dir:
        return
    for chosen in chosen_files(overrides, find_user_conf()):
        if not chosen.file.resolve().is_relative_to(CONF):
            remedy = "send the folder that it is in along (launch.working_dir), with the file as conf/GROUP/NAME.yaml"
            raise UserError("is a file of this machine", where=f"{chosen.group}={chosen.file}", remedy=remedy)

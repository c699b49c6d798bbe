"""`synthmill sweep=FILE`: searches among many runs for the settings that reach most.

In: a SweepConfig, and a function that composes a run's config. Out: a folder with the run of every point, a page, and
the best settings as an experiment. Whatever can be refused is refused before anything runs. The same command goes on:
points that ended are known by their scores, and those that were cut off go on from what they had made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.pipeline.inputs import with_inputs_here
from engine.pipeline.looks import look_at_inputs
from engine.pipeline.published import target_of
from engine.run import wanted_steps
from engine.runtime.cluster import start_ray
from engine.runtime.console import Console
from engine.runtime.secrets import is_secret, redacted
from engine.storage.files import locked, make_folder
from engine.storage.typed import to_json_values
from engine.sweeps.config import Mode, SweepConfig
from engine.sweeps.journal import Journal, Progress, Tried
from engine.sweeps.metric import VALIDATION, check_metric, default_metric
from engine.sweeps.points import FOLDER, Compose, goes_on, is_finished, require_path_here
from engine.sweeps.process import check_ports, points_at_a_time
from engine.sweeps.search import Search, make_search
from engine.sweeps.space import as_overrides
from engine.sweeps.stopping import Stop
from engine.sweeps.written import as_override, replacing

if TYPE_CHECKING:
    from engine.sweeps.trials import Trials

_OUTSIDE_MODEL = ("documents", "demonstrations", "task", "prompts", "samples", "judge", "examples", "queries", "seed")
"""The first parts of keys that change which held-out queries there are."""
_THE_SWEEPS = ("run_dir", "tracking.figures", "preview", "sample")
"""Keys that a sweep sets, or that make a run none."""


@dataclass(frozen=True)
class Checked:
    """A sweep that nothing speaks against.

    Attributes:
        config: as the file says.
        run: the config of its first point.
        arguments: what every point is given.
        metric: what points are judged by.
        folder: of the sweep.
    """

    config: SweepConfig
    run: RunConfig
    arguments: tuple[str, ...]
    metric: str
    folder: Path


def check(config: SweepConfig, overrides: Sequence[str], compose: Compose) -> Checked:
    """Checks a sweep: composes points that together have every extreme of its space.

    Args:
        config: what the file says.
        overrides: what the command line adds for all points.
        compose: composes a run's config.

    Raises:
        UserError: a key or value of the space is wrong or secret, no step reports the metric, or a setting is the
            sweep's own.
    """
    given = tuple(replacing(config.overrides, overrides))
    points = [as_overrides(values) for values in config.space.checks()]
    _check_keys([text.lstrip("+").partition("=")[0] for text in given], config.where)
    for parameter in config.space.parameters:
        _check_keys([parameter.key], f"{config.where}: space.{parameter.key}")
    _check_secrets([*given, *(text for point in points for text in point)], config.where)
    composed = [with_inputs_here(run) for run in [compose([*given, *point]) for point in points]]
    first = composed[0]
    at_a_time = points_at_a_time(config.concurrency, first.cluster.address)
    # Any value may be drawn for several trials.
    check_ports([port for run in composed for port in 2 * [run.watch.metrics_port]], at_a_time, "concurrency")
    metric = config.metric or default_metric(first)
    for run in composed:
        target_of(run)
        look_at_inputs(run, wanted_steps(run))
        check_metric(metric, run, f"{config.where}: metric")
    if config.stop is not Stop.none and metric != VALIDATION:
        what = f"{config.stop.value} goes by validations, and points are judged by {metric}"
        raise UserError(what, where=f"{config.where}: stop", remedy=f"set metric: {VALIDATION}, or stop: none")
    if first.cluster.address.startswith("ray://"):
        remedy = "start the sweep on a node of the cluster, with cluster.address=auto"
        raise UserError(
            "Ray Tune is not driven from outside", where=f"cluster.address={first.cluster.address}", remedy=remedy
        )
    require_path_here(first.runs_dir)
    folder = Path(first.runs_dir).expanduser().absolute() / FOLDER / config.name
    settings = [] if first.tracking.group else [as_override("tracking.group", config.name)]
    if first.cluster.address == "local" and not first.cluster.num_cpus and at_a_time > 1:
        settings.append(as_override("cluster.num_cpus", max(1, len(os.sched_getaffinity(0)) // at_a_time)))
    return Checked(config, first, tuple(replacing(given, settings)), metric, folder)


def search(checked: Checked, compose: Compose, console: Console) -> list[Tried]:
    """Tries points until there are as many as the sweep wants; returns all of them.

    Args:
        checked: the sweep.
        compose: composes a run's config.
        console: the terminal.

    Raises:
        UserError: another process works on the sweep, or its folder holds one over something else.
    """
    make_folder(checked.folder, where=f"runs_dir={checked.run.runs_dir}")
    try:
        with locked(checked.folder / ".lock", wait=False):
            return _search(checked, compose, console)
    except BlockingIOError:
        remedy = "wait for it, stop it, or give this one another name"
        raise UserError(
            "another synthmill is working on this sweep", where=str(checked.folder), remedy=remedy
        ) from None


def _search(checked: Checked, compose: Compose, console: Console) -> list[Tried]:
    from engine.sweeps.schedulers import make_scheduler
    from engine.sweeps.trials import JournaledSearcher, Trials, run_trials

    config, low = checked.config, checked.config.mode is Mode.min
    journal = Journal(checked.folder, _identity(checked))
    trials = Trials(checked.folder, checked.arguments, checked.metric, low)
    ended, waiting = _sorted(journal.points, trials, compose)
    left = config.points - len(ended)
    _say(checked, ended, waiting, left, console)
    if left > 0:
        logs = checked.folder / ".logs"
        logs.mkdir(exist_ok=True)
        start_ray(checked.run.cluster, logs)
        at_a_time = points_at_a_time(config.concurrency, checked.run.cluster.address)
        chooser = _make_search(config, journal, ended)
        again = waiting[:left]
        searcher = JournaledSearcher(chooser, journal, trials, again, console, new=left - len(again))
        run_trials(searcher, trials, left, at_a_time, make_scheduler(config.stop, ended, low=low))
    return journal.points


def _make_search(config: SweepConfig, journal: Journal, ended: Sequence[Tried]) -> Search:
    """Makes the search that goes on: it draws by the number of all points, or what was drawn would be drawn again."""
    seed = f"{config.seed}/{len(journal.points)}"
    return make_search(config.search, config.space, ended, seed, planned=config.points, low=config.mode is Mode.min)


def _identity(checked: Checked) -> dict[str, object]:
    """Returns what the points of a sweep have to share, so that their scores can be compared."""
    space = {parameter.key: to_json_values(parameter) for parameter in checked.config.space.parameters}
    shared = [text for text in checked.arguments if not text.startswith(("tracking", "cluster"))]
    return {"space": space, "metric": checked.metric, "mode": checked.config.mode.value, "overrides": shared}


def _sorted(points: Sequence[Tried], trials: Trials, compose: Compose) -> tuple[list[Tried], list[Tried]]:
    """Separates points that have ended from those that are to be run again, of which those that failed stand last.

    A point that is finished or was stopped, but whose steps would be made anew since documents or code have changed, is
    run again. What is known of a training that does not go on is forgotten: it would be told as that of the new one.
    """
    ended, waiting = list[Tried](), list[Tried]()
    for point in points:
        try:
            config = compose(trials.point(point).arguments)
        except UserError:
            if point.has_ended:
                raise
            waiting.append(point)  # it says so itself, in its log and its outcome
            continue
        is_over = goes_on(config)
        if not is_over:
            trials.figures_file(point.number).unlink(missing_ok=True)
        elif point.progress is Progress.finished:
            is_over = is_finished(config)
        (ended if point.has_ended and is_over else waiting).append(point)
    return ended, sorted(waiting, key=lambda point: point.progress is Progress.failed)


def _say(checked: Checked, ended: Sequence[Tried], waiting: Sequence[Tried], left: int, console: Console) -> None:
    config = checked.config
    known = f", {len(ended)} have ended before" if ended else ""
    again = f", {len(waiting)} go on" if waiting else ""
    stop = "" if config.stop is Stop.none else f", stopped by {config.stop.value}"
    console.step(
        "sweep", f"{config.points} points by {config.search.value}{stop}, judged by {checked.metric}{known}{again}"
    )
    swept = [parameter.key for parameter in config.space.parameters]
    moved = [key for key in swept if key.partition(".")[0] in _OUTSIDE_MODEL]
    judged = checked.run.model.validation.judged
    if moved and left > 0 and checked.metric in ("validation", "held_out") and not judged:
        what = f"{', '.join(moved)} may change which queries are held out, and scores are then not of the same queries"
        console.warn(f"{what}; development questions (model.validation.judged) are the same for all points")


def _check_keys(keys: Sequence[str], where: str) -> None:
    for key in keys:
        if key in _THE_SWEEPS:
            raise UserError(f"{key} is set by the sweep itself", where=where, remedy="leave it out")
        if is_secret(key.rpartition(".")[2]):
            remedy = "set it in the environment, such as HF_TOKEN, or in a config file"
            raise UserError(
                f"{key} is a secret, and a sweep writes what its points are given", where=where, remedy=remedy
            )


def _check_secrets(texts: Sequence[str], where: str) -> None:
    """Refuses overrides with a secret anywhere in them: in a mapping, in a URL, or one of the environment's."""
    for text in texts:
        if (shown := redacted(text)) != text:
            remedy = "set it in the environment, such as HF_TOKEN, or in a config file"
            raise UserError(
                f"{shown} holds a secret, and a sweep writes what its points are given", where=where, remedy=remedy
            )

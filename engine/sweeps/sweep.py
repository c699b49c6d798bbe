"""`synthmill sweep=FILE`: searches among many runs for the settings that reach most.

In: a SweepConfig, and a function that composes a run's config. Out: a folder with the run of every point, a page, and
the best settings as an experiment. Whatever can be refused is refused before anything runs. The same command goes on:
points that ended are known by their scores, and those that were cut off go on from what they had made.
"""

from __future__ import annotations

import itertools
import os
import random
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
from engine.runtime.secrets import is_secret_key, redacted_argument
from engine.storage.files import locked, make_folder
from engine.storage.typed import to_json_values
from engine.sweeps.alike import check_alike, check_outputs, may_move_held_out
from engine.sweeps.config import Mode, SweepConfig, check_mode
from engine.sweeps.identity import comparable
from engine.sweeps.journal import Journal, Progress, Tried
from engine.sweeps.metric import VALIDATION, check_metric, default_metric
from engine.sweeps.places import placed
from engine.sweeps.points import FOLDER, Compose, goes_on, is_finished, require_path_here
from engine.sweeps.process import check_ports, points_at_a_time
from engine.sweeps.search import Search, make_search
from engine.sweeps.space import Values, as_overrides, name_of
from engine.sweeps.stopping import Stop
from engine.sweeps.written import as_override, replacing

if TYPE_CHECKING:
    from engine.sweeps.trials import Trials

_OUTSIDE_MODEL = (
    *("documents", "demonstrations", "task", "prompts", "samples", "judge", "examples", "queries", "seed"),
    *("experiment", "language", "expand"),
)
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
    _check_given(config, overrides)
    given, points = tuple(replacing(config.overrides, overrides)), config.space.checks()

    def run_of(values: Values) -> RunConfig:
        run = with_inputs_here(compose([*given, *as_overrides(values)]))
        _look_at(run)
        return run

    runs: list[RunConfig] = []
    for values in points:
        try:
            runs.append(run_of(values))
        except UserError as error:
            raise placed(error, config, overrides, values, lambda: run_of({})) from error
    first = runs[0]
    at_a_time = points_at_a_time(config.concurrency, first.cluster.address)
    # Any value may be drawn for several trials.
    check_ports([port for run in runs for port in 2 * [run.watch.metrics_port]], at_a_time, "concurrency")
    metric = config.metric or default_metric(first)
    for run in runs:
        check_metric(metric, run, f"{config.where}: metric")
    check_mode(config, metric)
    check_alike(runs, points, metric, config.stop, config.where)
    if config.stop is not Stop.none and metric != VALIDATION:
        what = f"{config.stop.value} goes by validations, and points are judged by {metric}"
        raise UserError(what, where=f"{config.where}: stop", remedy=f"set metric: {VALIDATION}, or stop: none")
    folder = Path(first.runs_dir).expanduser().absolute() / FOLDER / config.name
    settings = [] if first.tracking.group else [as_override("tracking.group", config.name)]
    if first.cluster.address == "local" and not first.cluster.num_cpus and at_a_time > 1:
        settings.append(as_override("cluster.num_cpus", max(1, len(os.sched_getaffinity(0)) // at_a_time)))
    return Checked(config, first, tuple(replacing(given, settings)), metric, folder)


def _look_at(run: RunConfig) -> None:
    """Looks at what a point would read and write, and at where it would run."""
    check_outputs(run)
    target_of(run)
    look_at_inputs(run, wanted_steps(run))
    require_path_here(run.runs_dir)
    if run.cluster.address.startswith("ray://"):
        remedy = "start the sweep on a node of the cluster, with cluster.address=auto"
        where = f"cluster.address={run.cluster.address}"
        raise UserError("Ray Tune is not driven from outside", where=where, remedy=remedy)


def search(checked: Checked, compose: Compose, console: Console) -> list[Tried]:
    """Tries points until there are as many as the sweep wants.

    Args:
        checked: the sweep.
        compose: composes a run's config.
        console: the terminal.

    Returns:
        All points, but those of older journals that have the settings of another one and are not run again.

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
    from engine.sweeps.trials import TO_COMMIT, JournaledSearcher, Trials, run_trials

    config, low = checked.config, checked.config.mode is Mode.min
    journal = Journal(checked.folder, _identity(checked))
    trials = Trials(checked.folder, checked.arguments, checked.metric, low)
    known = journal.points
    ended, waiting = _sorted(known, trials, compose)
    repeats = {point.number for point in known} - {point.number for point in (*ended, *waiting)}
    left = _left(config, ended)
    _say(checked, ended, waiting, left, console)
    if left > 0:
        logs = checked.folder / ".logs"
        logs.mkdir(exist_ok=True)
        start_ray(checked.run.cluster, logs, TO_COMMIT)
        at_a_time = points_at_a_time(config.concurrency, checked.run.cluster.address)
        chooser = _make_search(config, journal, ended, waiting)
        again = waiting[:left]
        searcher = JournaledSearcher(chooser, journal, trials, again, console, new=left - len(again))
        run_trials(searcher, trials, left, at_a_time, make_scheduler(config.stop, ended, low=low))
        _say_if_exhausted(config, chooser, journal.points, console)
    return [point for point in journal.points if point.number not in repeats]


def _left(config: SweepConfig, ended: Sequence[Tried]) -> int:
    """Counts the points that are still to be tried: fewer than are wanted where the space has no more of them."""
    left = config.points - len(ended)
    if left <= 0 or config.space.is_endless:
        return left
    known = {name_of(point.values) for point in ended}
    others = (values for values in config.space.settings(random.Random(0)) if name_of(values) not in known)
    return sum(1 for _ in itertools.islice(others, left))


def _make_search(config: SweepConfig, journal: Journal, ended: Sequence[Tried], waiting: Sequence[Tried]) -> Search:
    """Makes the search that goes on: it draws by the number of all points, so as to draw others than those."""
    seed = f"{config.seed}/{len(journal.points)}"
    tried = [*ended, *(Tried(point.number, point.values) for point in waiting)]  # which run again, however they ended
    return make_search(config.search, config.space, tried, seed, planned=config.points, low=config.mode is Mode.min)


def _identity(checked: Checked) -> dict[str, object]:
    """Returns what the points of a sweep have to share, so that their scores can be compared."""
    space = {parameter.key: to_json_values(parameter) for parameter in checked.config.space.parameters}
    shared = comparable(checked.arguments)
    return {"space": space, "metric": checked.metric, "mode": checked.config.mode.value, "overrides": shared}


def _sorted(points: Sequence[Tried], trials: Trials, compose: Compose) -> tuple[list[Tried], list[Tried]]:
    """Separates points that have ended from those that are to be run again, of which those that failed stand last.

    A point that is finished or was stopped, but whose steps would be made anew since documents or code have changed, is
    run again. What is known of a training that does not go on is forgotten: it would be told as that of the new one.
    Of the points of older journals that have the same settings one is run again, and none where one has ended.
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
    settled, others = {name_of(point.values) for point in ended}, dict[str, Tried]()
    for point in sorted(waiting, key=lambda point: point.progress is Progress.failed):
        if name_of(point.values) not in settled:
            others.setdefault(name_of(point.values), point)
    return ended, list(others.values())


def _say(checked: Checked, ended: Sequence[Tried], waiting: Sequence[Tried], left: int, console: Console) -> None:
    config = checked.config
    known = f", {len(ended)} have ended before" if ended else ""
    again = f", {len(waiting)} go on" if waiting else ""
    stop = "" if config.stop is Stop.none else f", stopped by {config.stop.value}"
    console.step(
        "sweep", f"{config.points} points by {config.search.value}{stop}, judged by {checked.metric}{known}{again}"
    )
    if (known_or_left := len(ended) + max(left, 0)) < config.points:
        console.step("sweep", f"{known_or_left} in all: the space has no other settings, and none is tried twice")
    swept = [parameter.key for parameter in config.space.parameters]
    moved = [key for key in swept if _bare(key).partition(".")[0] in _OUTSIDE_MODEL]
    if moved and left > 0 and may_move_held_out(checked.metric, checked.run):
        what = f"{', '.join(moved)} may change which queries are held out, and scores are then not of the same queries"
        remedy = f"development questions are (metric: {VALIDATION}, model.validation.queries=judged)"
        console.warn(f"{what}; {remedy}")


def _say_if_exhausted(config: SweepConfig, chooser: Search, points: Sequence[Tried], console: Console) -> None:
    """Says so where a search had no other point to try before there were as many as are wanted."""
    if chooser.is_exhausted:
        num_ended = sum(point.has_ended for point in points)
        what = f"the search ends at {num_ended} of {config.points} points: it found no settings that were not tried"
        console.warn(f"{what}; widen a range, under another name, to try more")


def _check_given(config: SweepConfig, typed: Sequence[str]) -> None:
    """Refuses overrides and keys of the space that are the sweep's own or secret, and keys that are given by both."""
    swept = {_bare(parameter.key) for parameter in config.space.parameters}
    for text in (*config.overrides, *typed):
        file, key = "" if text in typed else f"{config.where}: overrides: ", _bare(text)
        _check_key(key, f"{file}{key}")
        _check_secret(text, f"{file}{key}")
        if key in swept:
            what = f"the space of {config.where} has values of {key} too, and these would stand in its place"
            raise UserError(what, where=f"{file}{text}", remedy="leave one of the two out")
    for parameter in config.space.parameters:
        place = f"{config.where}: space.{parameter.key}"
        _check_key(_bare(parameter.key), place)
        for value in parameter.extremes():
            _check_secret(as_override(parameter.key, value), place)


def _bare(text: str) -> str:
    """Returns the key of an override, or of the space, without signs before it."""
    return text.lstrip("+~").partition("=")[0]


def _check_key(key: str, where: str) -> None:
    if key in _THE_SWEEPS:
        raise UserError(f"{key} is set by the sweep itself", where=where, remedy="leave it out")
    if is_secret_key(key):
        remedy = "set it in the environment, such as HF_TOKEN, or in a config file"
        raise UserError(f"{key} is a secret, and a sweep writes what its points are given", where=where, remedy=remedy)


def _check_secret(text: str, where: str) -> None:
    """Refuses an override with a secret anywhere in it: in a mapping, in a URL, or one of the environment's."""
    if (shown := redacted_argument(text)) != text:
        remedy = "set it in the environment, such as HF_TOKEN, or in a config file"
        raise UserError(
            f"{shown} holds a secret, and a sweep writes what its points are given", where=where, remedy=remedy
        )

"""The points of a search as trials of Ray Tune: which come next, what they report, and which are stopped.

In: a search, a journal, and how a point is run. Out: the journal, with every point's end. A trial is an actor that
takes next to no CPU: it starts the point's process, follows the figures that this tracks, and reports each validation.
Where the scheduler stops a trial its actor ends, and with it the process (`lifeline.py`). What Tune itself writes lies
in a folder that is removed: to go on, the journal knows what was tried, and the store what was made.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from engine.errors import UserError
from engine.runtime.console import Console
from engine.sweeps.curves import curves
from engine.sweeps.journal import Journal, Progress, Tried
from engine.sweeps.metric import read_metric
from engine.sweeps.points import Point
from engine.sweeps.process import Outcome, Processes, State, failed_by
from engine.sweeps.search import Search
from engine.sweeps.space import as_overrides
from engine.sweeps.written import replacing
from engine.text.durations import format_seconds

_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # which shows the folder of Tune at any verbosity, and it is removed
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a sweep as it ends a run
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a point that makes samples has nothing to report yet
}
TO_COMMIT = {"RAY_kill_child_processes_on_worker_exit": "false"}
"""What an actor's environment has so that the process of its point outlives it, and commits: it notices, and ends."""
_OF_A_NODE = (
    *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
    *("HOME", "HOSTNAME", "LD_LIBRARY_PATH", "PATH", "SLURMD_NODENAME", "SLURM_NODEID"),
    *("RAY_TMPDIR", "TEMP", "TMP", "TMPDIR", "XDG_RUNTIME_DIR"),
)
"""Variables that say what there is on a machine, and where."""
_TUNE_FOLDER = ".tune-"
_CPUS = 0.001
"""What a trial asks of Ray: the least that it counts. A point's own steps take the CPUs."""
_HOPELESS = 3
"""So many failures, while no point has come to its end or trains, are taken to be those of all points."""
_MOST_DEATHS = 2
"""So often a trial whose actor died, with its node for example, is started again; its run goes on."""


@dataclass(frozen=True)
class Trials:
    """How the points of a search are run.

    Attributes:
        folder: of the sweep, with the run folders of its points.
        arguments: what all points are given.
        metric: what they are judged by.
        low: whether low scores are the good ones.
    """

    folder: Path
    arguments: tuple[str, ...]
    metric: str
    low: bool = False

    def run_dir(self, number: int) -> Path:
        """Returns the run folder of a point."""
        return self.folder / f"{number:04d}"

    def point(self, tried: Tried, after: Sequence[int] = ()) -> Point:
        """Returns the run of a point, which begins once those that were stopped have ended (`after`: their numbers)."""
        overrides = as_overrides(tried.values)
        run_dir = self.run_dir(tried.number)
        places = {"run_dir": str(run_dir), "tracking.figures": str(self.figures_file(tried.number))}
        return Point(
            f"point {tried.number}: {' '.join(overrides)}",
            tuple(replacing(self.arguments, [*overrides, *as_overrides(places)])),
            run_dir,
            tuple(map(self.run_dir, after)),
        )

    def figures_file(self, number: int) -> Path:
        """Returns the file to which a point's run appends what it tracks."""
        return self.folder / f"{number:04d}.figures.jsonl"


@dataclass(frozen=True)
class _Start:
    """How a sweep was started, for its points: where Ray has an actor for them, the environment is another one.

    Attributes:
        variables: the environment of whoever started it. The job that it is the driver of is among them, of which Ray
            does not tell its actors: a point is to count what that driver holds.
        node: the machine.
        home: the folder, from which paths go.
    """

    variables: Mapping[str, str] = field(repr=False)
    node: str
    home: Path

    def variables_here(self) -> dict[str, str]:
        """Returns what a point is given on this node: on another one, what is of a node is that one's."""
        if self.node == platform.node():
            return dict(self.variables)
        known = {name: value for name, value in self.variables.items() if name not in _OF_A_NODE}
        return known | {name: os.environ[name] for name in _OF_A_NODE if name in os.environ}


class JournaledSearcher(Searcher):
    """Gives Tune the points of a search and writes what becomes of them; it is called in the driver alone.

    Args:
        search: chooses new points.
        journal: takes note of all of them.
        trials: how they are run.
        waiting: points that an earlier start left without an end; those that failed stand last.
        console: where a line is printed as each point ends.
        new: so many points are drawn, after those that wait and before those of them that failed.
    """

    def __init__(
        self, search: Search, journal: Journal, trials: Trials, waiting: Sequence[Tried], console: Console, *, new: int
    ) -> None:
        super().__init__()
        self._search, self._journal, self._trials, self._console = search, journal, trials, console
        self._waiting, self._new = list(waiting), new
        self._numbers: dict[str, int] = {}
        self._has_trained: dict[str, bool] = {}
        self._told_to_end: list[int] = []
        again = {point.number for point in waiting}
        self._not_all_fail = any(point.has_ended for point in journal.points if point.number not in again)
        self._failures, self._has_given_up = 0, False
        self.error: Exception | None = None
        """What went wrong here, which Tune would hide, or take for a failure of the trial."""

    def suggest(self, trial_id: str) -> Any:
        """Returns the next point; nothing yet, or none at all, where the first few have all failed.

        A point that trains, or one that came to its end at an earlier start, shows that not all of them fail. Where
        those that run have shown nothing yet, they are waited for.
        """
        self._raise_what_went_wrong()
        with self._noting():
            return self._suggest(trial_id)

    def _suggest(self, trial_id: str) -> Any:
        if self._failures >= _HOPELESS and not self._not_all_fail and not any(self._has_trained.values()):
            return None if self._has_trained else self._give_up()
        point = self._next()
        if point is None:
            return Searcher.FINISHED
        self._numbers[trial_id], self._has_trained[trial_id] = point.number, False
        values = json.dumps(dict(point.values))
        return {"number": point.number, "values": values, "after": json.dumps(self._told_to_end)}

    def _next(self) -> Tried | None:
        """Takes the next point: one that was cut off, else a new one, else one that failed before; None: no other."""
        is_cut_off = bool(self._waiting) and self._waiting[0].progress is not Progress.failed
        values = self._search.ask() if self._new > 0 and not is_cut_off else None
        if values is not None:
            self._new -= 1
            return self._journal.begin(values)
        if not self._waiting:
            return None
        point = self._waiting.pop(0)
        return self._journal.put(Tried(point.number, point.values))

    def _give_up(self) -> Any:
        """Tells Tune, and once the person, that no other point is tried."""
        if not self._has_given_up:
            left = len(self._waiting) + self._new
            what = f"the search gives up: {self._failures} points failed and none came to its end"
            self._console.warn(f"{what}; {left} are left, and the same command goes on once the cause is mended")
        self._has_given_up = True
        return Searcher.FINISHED

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Takes note of a validation."""
        self._raise_what_went_wrong()
        if result.get("curve"):
            with self._noting():
                self._has_trained[trial_id] = True
                self._journal.follow(self._numbers[trial_id], result["curve"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Takes note of the end of a point: what the trial says, or that the scheduler stopped it.

        An error ends the sweep at what Tune asks next: at this one it would run the point once more.
        """
        with contextlib.suppress(Exception), self._noting():  # it is kept, and raised by whoever runs the trials
            self._complete(trial_id, result or {}, error=error)

    def _complete(self, trial_id: str, result: dict[str, Any], *, error: bool) -> None:
        if trial_id not in self._has_trained:  # it was told already, and something of Tune's failed afterwards
            return
        number = self._numbers[trial_id]
        progress = Progress(result["progress"]) if "progress" in result else Progress.stopped
        if error or not result:
            progress = Progress.failed
        said = str(result.get("said", "")) or ("its actor died" if progress is Progress.failed else "")
        changes = {"curve": result.get("curve", []), "seconds": result.get("time_total_s", 0.0), "said": said}
        point = self._journal.change(number, progress=progress, score=result.get("score"), **changes)
        self._has_trained.pop(trial_id)
        if "progress" not in result:  # its trial is over, and its process commits what it has
            self._told_to_end.append(number)
        self._not_all_fail |= point.has_ended
        self._failures += progress is Progress.failed and result.get("state") != State.ended_early.value
        self._search.tell(point)
        self._console.step("sweep", f"{self._trials.point(point).label}: {in_words(point)}")

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """Keeps the first error of the block, and lets it pass."""
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            raise

    def _raise_what_went_wrong(self) -> None:
        if self.error is not None:
            raise self.error

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        """Leaves the search out of what Tune writes of itself: it has locks and a terminal, and is made anew."""
        return Searcher, ()

    def save(self, checkpoint_path: str) -> None:
        """Writes nothing: the journal is written."""

    def restore(self, checkpoint_path: str) -> None:
        """Reads nothing, likewise."""


def in_words(point: Tried) -> str:
    """Returns how a point ended, for one line."""
    score = "" if point.score is None else f" with {point.score:.4g}"
    after = f" after {len(point.curve)} validations" if point.progress is Progress.stopped else ""
    said = f": {point.said}" if point.said else ""
    return f"{point.progress.value}{score}{after} in {format_seconds(point.seconds)}{said}"


def run_trials(
    searcher: JournaledSearcher, trials: Trials, count: int, at_a_time: int, scheduler: TrialScheduler
) -> None:
    """Runs points until `count` have ended, or the searcher has no more; Ray is started.

    Args:
        searcher: chooses points, and writes what becomes of them.
        trials: how a point is run.
        count: the points of this start.
        at_a_time: the most that run at the same time.
        scheduler: stops points.

    Raises:
        UserError: what became of a point could not be written.
    """
    os.environ.update(_QUIET)
    for leftover in trials.folder.glob(f"{_TUNE_FOLDER}*"):  # of a start that was killed
        shutil.rmtree(leftover)
    start = _Start(dict(os.environ), platform.node(), Path.cwd())
    trainable = tune.with_parameters(_run_point, trials=trials, start=start)
    with tempfile.TemporaryDirectory(prefix=_TUNE_FOLDER, dir=trials.folder) as tune_folder:
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": _CPUS}),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=scheduler,
                num_samples=count,
                max_concurrent_trials=at_a_time,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=tune_folder,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=_MOST_DEATHS),
            ),
        )
        try:
            tuner.fit()
        finally:
            if searcher.error is not None:
                raise searcher.error


def _run_point(config: dict[str, Any], trials: Trials, start: _Start) -> None:
    """Runs a point in the actor of its trial, and reports each of its validations, and its end.

    Args:
        config: the point's number and values, and the points that have to end before.
        trials: how it is run.
        start: how the sweep was started.
    """
    point = trials.point(Tried(config["number"], json.loads(config["values"])), json.loads(config["after"]))
    curve: list[float] = []

    def report(so_far: list[float]) -> None:
        curve[:] = so_far
        tune.report({"validation": so_far[-1], "curve": so_far})

    try:
        os.chdir(start.home)
        outcome = _followed(point, trials.figures_file(config["number"]), Processes(start.variables_here()), report)
        end = _end(outcome, trials)
    except Exception as error:  # else Tune would run the point again, and say nothing
        end = _end(failed_by(error, point), trials)
    tune.report(end | {"curve": curve})  # without a validation: a scheduler would count the last one twice


def _followed(point: Point, file: Path, processes: Processes, report: Callable[[list[float]], None]) -> Outcome:
    """Runs a point, and tells of each of its validations with those before."""
    outcomes = list[Outcome]()
    thread = threading.Thread(target=lambda: outcomes.append(processes.run(point, lambda: False)), daemon=True)
    thread.start()
    try:
        for curve in curves(file, thread.is_alive):
            report(curve)
    finally:
        processes.end()
        thread.join()
    return outcomes[0]


def _end(outcome: Outcome, trials: Trials) -> dict[str, Any]:
    """Reads what a point that ended has reached."""
    if outcome.state not in (State.finished, State.unchanged):
        said = outcome.said or outcome.state.value
        return {"progress": Progress.failed.value, "said": said, "state": outcome.state.value}
    try:
        return {"progress": Progress.finished.value, "score": read_metric(trials.metric, outcome.point.run_dir)}
    except UserError as error:
        return {"progress": Progress.failed.value, "said": str(error)}

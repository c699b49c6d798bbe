"""One MLflow run for all starts of a run folder, in a folder below it or on a server (`tracking.uri`).

In: the calls of a tracker. Out: figures as metrics and config as parameters, by names with the noun in front; other
final values as tags, and so are settings that a later start changed; tables, report and model as artifacts. A later
start of the run finds the id of the first in its folder and goes on with it. MLflow is no requirement of this project:
mlflow-skinny is enough. What it brings to keep runs in is a folder, which newer versions (3.17, for one) open only for
whoever asks for it by a variable; a database needs the whole of MLflow.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Sequence
from typing import Any

from engine.runtime.trackers.lazy import LazyTracker
from engine.runtime.trackers.tensorboard_tracker import is_figure
from engine.runtime.tracking import Finished, Outcome
from engine.storage.typed import flatten

_FOLDER = "mlflow"
_CHANGED = "config"
"""Below it are tags with settings that are others than in the first start: a parameter keeps its value for good."""
_ALLOW_FOLDERS = "MLFLOW_ALLOW_FILE_STORE"
_LONGEST_VALUE = 5000
"""Characters of a parameter or tag that every version of MLflow takes."""
_LONGEST_NAME = 250
_NOT_IN_NAMES = re.compile(r"[^/\w.\- ]+")
"""What some version of MLflow takes in no name: names of systems and of rejections hold commas and signs."""
_MOST_METRICS, _MOST_PARAMS = 1000, 100
"""What one request may hold."""
_STATES = {Outcome.finished: "FINISHED", Outcome.out_of_time: "KILLED", Outcome.interrupted: "KILLED"}
"""What MLflow calls it."""


class MlflowTracker(LazyTracker):
    """A run of MLflow."""

    _client: Any = None
    _run_id = ""

    def _open(self) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        os.environ.setdefault(_ALLOW_FOLDERS, "true")
        self._client = MlflowClient(self.config.uri or (self.folder / _FOLDER).absolute().as_uri())
        self._run_id = self.kept_id(f"{self.config.goal}_id", self._make_run)
        self._client.update_run(self._run_id, status="RUNNING")
        config = {mlflow_name(name): _text(value) for name, value in sorted(flatten(self.run_config).items())}
        known = self._client.get_run(self._run_id).data
        params = [Param(name, value) for name, value in config.items() if name not in known.params]
        for first in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(self._run_id, params=params[first : first + _MOST_PARAMS])
        for name, value in config.items():
            tag, before = mlflow_name(f"{_CHANGED}/{name}"), known.params.get(name, value)
            if known.tags.get(tag, before) != value:
                self._client.set_tag(self._run_id, tag, value)

    def _make_run(self) -> str:
        found = self._client.get_experiment_by_name(self.config.project)
        experiment = found.experiment_id if found else self._client.create_experiment(self.config.project)
        tags = {"group": self.config.group} if self.config.group else {}
        return str(self._client.create_run(experiment, run_name=self.name, tags=tags).info.run_id)

    def _log(self, point: dict[str, float], noun: str, step: int) -> None:  # noqa: ARG002 (names hold the noun)
        self._log_metrics(point, step)

    def _log_metrics(self, figures: dict[str, Any], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(mlflow_name(name), float(value), now, step) for name, value in figures.items()]
        for first in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(self._run_id, metrics=metrics[first : first + _MOST_METRICS])

    def _summary(self, values: dict[str, Any]) -> None:
        self._log_metrics({name: value for name, value in values.items() if is_figure(value)}, 0)
        for name, value in values.items():
            if not is_figure(value):
                self._client.set_tag(self._run_id, mlflow_name(name), _text(value))

    def _table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        table = {"columns": list(columns), "data": [list(row) for row in rows]}  # as MLflow's own tables are kept
        self._client.log_text(self._run_id, json.dumps(table, ensure_ascii=False), f"{name}.json")

    def _artifact(self, finished: Finished) -> None:
        self._client.set_tag(self._run_id, f"{finished.entry}/artifact", finished.name)
        self._client.set_tag(self._run_id, f"{finished.entry}/inputs", _text(dict(finished.inputs)))
        self._client.log_artifacts(self._run_id, str(finished.folder), finished.entry)

    def _close(self, outcome: Outcome) -> None:
        self._client.set_terminated(self._run_id, _STATES.get(outcome, "FAILED"))


def mlflow_name(name: str) -> str:
    """Returns the name of a figure, parameter or tag as MLflow takes it; other characters become `_`."""
    parts = _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME].split("/")
    return "/".join(part for part in parts if part.strip(".")) or "_"


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:_LONGEST_VALUE]

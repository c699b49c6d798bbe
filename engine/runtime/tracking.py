"""What a run tells a tracker: points of curves, final figures, tables of texts, finished folders; one protocol for all.

In: calls of steps, and of whoever watches them. Out: nothing here: each tracker has a file in engine/runtime/trackers/,
and `make_tracker` there chooses one. By default that is an offline run of Weights & Biases: a folder; nothing asks for
a login, and nothing leaves the machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from engine.errors import StoppedEarly, UserError, check_setting
from engine.runtime.identity import placement
from engine.runtime.secrets import without_logins, without_secrets
from engine.storage.remote.address import is_url

_NOT_IN_PROJECT = "/\\#?%:"
"""Characters that W&B allows in no project's name."""
_LONGEST_PROJECT = 128


class Mode(Enum):
    """Where figures go."""

    off = "off"
    offline = "offline"
    """A run of Weights & Biases as a folder, for `wandb sync`."""
    online = "online"
    """The same, sent at once."""
    tensorboard = "tensorboard"
    """Event files of TensorBoard."""
    mlflow = "mlflow"
    """A run of MLflow."""


class Outcome(Enum):
    """How a start of a run ended; the value is the exit code of its process."""

    finished = 0
    failed = 1
    refused = 2
    out_of_time = 3
    interrupted = 130


def outcome_of(error: BaseException) -> Outcome:
    """Tells how a start ends that an exception ends."""
    if isinstance(error, KeyboardInterrupt):
        return Outcome.interrupted
    if isinstance(error, StoppedEarly):
        return Outcome.out_of_time
    return Outcome.refused if isinstance(error, UserError) else Outcome.failed


@dataclass(frozen=True)
class TrackingConfig:
    """Where figures are tracked; it never changes what is computed."""

    mode: Mode = placement(Mode.offline)
    project: str = placement("synthmill")
    run_name: str = placement("")
    """The name of the run in the tracker; empty stands for that of the run folder."""
    group: str = placement("")
    """What runs belong together, such as the points of a sweep; a sweep by `-m` names its own."""
    table_rows: int = placement(200)
    """Rows of each table of texts (samples, kept and rejected examples); 0: no texts are tracked."""
    artifacts: bool = placement(True)
    """Whether report and model are tracked as files; their fingerprints are in any case."""
    figures: str = placement("")
    """A file to which every point of a curve is appended as a line of JSON, whatever `mode` says; empty for none."""
    uri: str = placement("")
    """The server or folder of MLflow; empty stands for a folder in the run folder."""

    def __post_init__(self) -> None:
        """Refuses a URL for a file, and a name that W&B refuses, which it does when the first figure is tracked."""
        if is_url(self.figures):
            where = f"tracking.figures={without_logins(self.figures)}"
            raise UserError("lines are appended to a file of this machine only", where=where, remedy="name a path")
        where, name = f"tracking.project={self.project}", self.project
        if wrong := sorted({character for character in name if character in _NOT_IN_PROJECT}):
            remedy = f"leave {' '.join(wrong)} out"
            raise UserError(f"W&B allows none of {_NOT_IN_PROJECT} in a project's name", where=where, remedy=remedy)
        if not 0 < len(name) <= _LONGEST_PROJECT:
            remedy = f"give it 1 to {_LONGEST_PROJECT} characters"
            raise UserError(f"the project's name has {len(name)} characters", where=where, remedy=remedy)
        check_setting(self.table_rows >= 0, "tracking.table_rows", self.table_rows, "0 or more", fault="is too small")

    @property
    def goal(self) -> str:
        """Returns a short name of what has the figures, the same on each start; two servers of MLflow have two names.

        The name is written into the run folder, and holds neither an address nor a login.
        """
        if self.mode is not Mode.mlflow or not self.uri:
            return self.mode.value
        return f"{self.mode.value}_{hashlib.sha256(without_secrets(self.uri).encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Finished:
    """A finished folder of the store."""

    entry: str
    """What it is of its run, such as `model`."""
    folder: Path
    fingerprint: str
    inputs: Mapping[str, str]
    """The fingerprints of what it was made from, by noun."""

    @property
    def name(self) -> str:
        """Returns a name that no other content has: runs that share a folder share its name."""
        return f"{self.entry.replace('/', '-')}-{self.fingerprint}"

    def files(self) -> dict[str, Path]:
        """Returns its files, by their paths in the folder."""
        files = sorted(file for file in self.folder.rglob("*") if file.is_file() and not file.is_symlink())
        return {file.relative_to(self.folder).as_posix(): file for file in files}


class Tracker(Protocol):
    """Where a step's figures go."""

    @property
    def has_failed(self) -> bool:
        """Tells whether something went wrong, so that it may lack what it was told; it takes nothing more then."""

    def begin(self) -> None:
        """Takes note that the run folder is this run's from now on; nothing is written into it before."""

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Tracks one point of a curve, as `noun/metric` over `noun/step`."""

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Tracks the final figures of a step; names in nested mappings are joined by dots."""

    def table(self, noun: str, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Tracks rows of texts and figures for people to read, as `noun/name`."""

    def artifact(self, finished: Finished) -> None:
        """Tracks a finished folder: its files, and what it was made from."""

    def finish(self, outcome: Outcome = Outcome.finished) -> None:
        """Closes the run, and says how it ended."""


class NoTracker:
    """The tracker of `tracking=off`, which takes everything and keeps nothing."""

    has_failed = False

    def begin(self) -> None:
        """Does nothing."""

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Drops the point."""

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Drops the figures."""

    def table(self, noun: str, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Drops the table."""

    def artifact(self, finished: Finished) -> None:
        """Drops the folder."""

    def finish(self, outcome: Outcome = Outcome.finished) -> None:
        """Does nothing."""

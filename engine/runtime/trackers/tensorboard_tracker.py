"""Event files of TensorBoard, for `tensorboard --logdir RUN/tracking/tensorboard`, or `--logdir RUNS` for all runs.

In: the calls of a tracker. Out: curves and final figures as scalars, with a group per noun; config, other final values,
tables and what folders were made from as texts. A later start of the run writes another file into the same folder,
which TensorBoard shows as one run. Files of models and reports are where they are; TensorBoard keeps none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.runtime.trackers.lazy import LazyTracker
from engine.runtime.tracking import Finished, Outcome

_FOLDER = "tensorboard"


class TensorBoardTracker(LazyTracker):
    """A folder of event files."""

    _writer: Any = None

    def _open(self) -> None:
        from tensorboardX import SummaryWriter

        folder = self.folder / _FOLDER
        number = len(list(folder.glob("*"))) + 1  # files are named by the second, which two starts may share
        self._writer = SummaryWriter(str(folder), filename_suffix=f".{number}")
        about = {"run": self.name, "project": self.config.project, "group": self.config.group}
        self._writer.add_text("run/about", as_code(about))
        self._writer.add_text("run/config", as_code(self.run_config))

    def _log(self, point: dict[str, float], noun: str, step: int) -> None:  # noqa: ARG002 (names hold the noun)
        for name, value in point.items():
            self._writer.add_scalar(name, value, step)

    def _summary(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if is_figure(value):
                self._writer.add_scalar(name, value, 0)
            else:
                self._writer.add_text(name, as_code(value))

    def _table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        lines = [columns, ["---"] * len(columns), *rows]
        self._writer.add_text(name, "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines))

    def _artifact(self, finished: Finished) -> None:
        about = {"folder": str(finished.folder), "fingerprint": finished.fingerprint, "inputs": dict(finished.inputs)}
        self._writer.add_text(f"{finished.entry}/artifact", as_code(about))

    def _close(self, outcome: Outcome) -> None:
        self._writer.add_text("run/ended", as_code(outcome.name.replace("_", " ")))
        self._writer.close()


def is_figure(value: object) -> bool:
    """Tells whether a final value is a number that can be drawn; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_code(value: Any) -> str:
    """Returns a value as JSON that Markdown leaves as it is: each line is indented."""
    return "\n".join(f"    {line}" for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines())


def _cell(value: object) -> str:
    """Returns a value on one line of a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|")

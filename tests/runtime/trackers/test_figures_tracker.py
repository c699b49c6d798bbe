"""Points of curves in a file, beside whatever tracker there is."""

import json
from pathlib import Path

import pytest

from engine.runtime.trackers.figures_tracker import FiguresTracker
from engine.runtime.trackers.make import make_tracker
from engine.runtime.tracking import Mode, TrackingConfig


def test_points_of_curves_can_be_followed_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "figures.jsonl"
    tracker = make_tracker(TrackingConfig(mode=Mode.off, figures=str(file)), tmp_path / "run", {}, pytest.fail)
    assert isinstance(tracker, FiguresTracker)
    tracker.begin()
    tracker.log("model", {"loss": 1.5}, 10)
    tracker.log("model", {"loss": 1.25, "learning_rate": 2e-5}, 20)
    tracker.summary("model", {"steps": 20})
    tracker.table("samples", "table", ["text"], [["a"]])
    tracker.finish()
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"noun": "model", "step": 10, "loss": 1.5},
        {"noun": "model", "step": 20, "loss": 1.25, "learning_rate": 2e-5},
    ]

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


def test_a_full_disk_ends_no_run_and_is_said_at_once_and_at_the_end(tmp_path: Path) -> None:
    file, said = tmp_path / "figures.jsonl", list[str]()
    config = TrackingConfig(mode=Mode.off, figures="/dev/full")
    tracker = make_tracker(config, tmp_path / "run", {}, said.append)
    for step in (1, 2):
        tracker.log("model", {"loss": 1.5}, step)
    for _ in range(2):  # as a run does: when all is tracked, and when it leaves its place
        tracker.finish()
    assert said == [
        "tracking.figures=/dev/full: nothing more is written: No space left on device",
        "tracking.figures=/dev/full is incomplete: it ends with no point at all",
    ]
    said.clear()
    tracker = make_tracker(TrackingConfig(mode=Mode.off, figures=str(file)), tmp_path / "run", {}, said.append)
    tracker.log("model", {"loss": 1.5}, 1)
    file.unlink()
    file.mkdir()
    tracker.log("model", {"loss": 1.5}, 2)
    file.rmdir()
    tracker.log("model", {"loss": 1.5}, 3)
    tracker.finish()
    assert not file.exists(), "a gap in the middle would pass for a curve"
    assert said[1:] == [f"tracking.figures={file} is incomplete: it ends with model, step 1"]


def test_half_a_line_of_an_earlier_start_joins_no_other(tmp_path: Path) -> None:
    file = tmp_path / "figures.jsonl"
    for start, left in enumerate(("", '{"noun": "model", "step": 1, "loss": 1.0}\n{"noun": "mo', '{"nou'), 1):
        file.write_text(left)
        config = TrackingConfig(mode=Mode.off, figures=str(file))
        tracker = make_tracker(config, tmp_path / "run", {}, pytest.fail)
        tracker.log("model", {"loss": 1.5}, start)
        tracker.log("model", {"loss": 1.25}, start + 1)
        steps = [json.loads(line)["step"] for line in file.read_text().splitlines()]
        assert steps == [*([1] if "step" in left else []), start, start + 1]

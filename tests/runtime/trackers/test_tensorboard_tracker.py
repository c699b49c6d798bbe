"""TensorBoard: event files that its own format's reader understands; two starts are one run."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event

from engine.runtime.trackers.tensorboard_tracker import TensorBoardTracker
from engine.runtime.tracking import Finished, Mode, Outcome, TrackingConfig
from engine.storage.run_folders import begin_run

CONFIG = TrackingConfig(mode=Mode.tensorboard)


def events_of(file: Path) -> Iterator[Any]:
    """Reads an event file: records of a length, its checksum, the content and its checksum."""
    stored, position = file.read_bytes(), 0
    while position < len(stored):
        [length] = struct.unpack_from("<Q", stored, position)
        event: Any = Event()
        event.ParseFromString(stored[position + 12 : position + 12 + length])
        yield event
        position += 12 + length + 4


def track(run: Path, start: int) -> None:
    tracker = TensorBoardTracker(CONFIG, run, {"seed": 7, "hf_token": "planted-secret"}, pytest.fail)
    tracker.summary("documents", {"passages": 12, "reader": "text", "nested": {"share": 0.5}})
    tracker.begin()
    tracker.log("model", {"loss": 1.5}, start)
    tracker.table("examples", "kept", ["query", "reason"], [["a | b\nc", ""]])
    tracker.artifact(Finished("model", run / "model", "f1", {"examples": "e2"}))
    tracker.finish(Outcome.interrupted)
    tracker.finish()


def test_curves_figures_and_texts_are_there_by_noun(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", "")
    for start in (1, 2):
        track(tmp_path / "run", start)
    files = sorted((tmp_path / "run" / "tracking" / "tensorboard").iterdir())
    assert len(files) == 2
    values = [(event.step, value) for file in files for event in events_of(file) for value in event.summary.value]
    scalars = [
        (value.tag, step, value.simple_value) for step, value in values if value.WhichOneof("value") == "simple_value"
    ]
    assert [step for tag, step, _ in scalars if tag == "model/loss"] == [1, 2]
    assert ("documents/passages", 0, 12.0) in scalars
    assert ("documents/nested.share", 0, 0.5) in scalars
    texts = {
        value.tag.removesuffix("/text_summary"): value.tensor.string_val[0].decode()
        for _, value in values
        if value.HasField("tensor")
    }
    assert '"text"' in texts["documents/reader"]
    assert "| a \\| b c |  |" in texts["examples/kept"]
    assert '"examples": "e2"' in texts["model/artifact"]
    assert "planted" not in texts["run/config"]
    assert '"seed": 7' in texts["run/config"]
    assert '"interrupted"' in texts["run/ended"]


def test_a_run_that_is_refused_tracks_nothing(tmp_path: Path) -> None:
    tracker = TensorBoardTracker(CONFIG, tmp_path / "run", {}, pytest.fail)
    tracker.summary("documents", {"passages": 12})
    tracker.finish()
    assert list(tmp_path.iterdir()) == []

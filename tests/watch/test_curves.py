"""Curves of a run: rates between two looks, and which part of the run a point belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.activity import Count, Moment
from engine.runtime.place import Place
from engine.runtime.step import Step
from engine.runtime.tracking import Finished, NoTracker
from engine.watch.curves import GenerationCurve, Moved, PartTracker, naming_curves
from tests.support.places import quiet_place


def at(entry: str, done: int, seconds: float, noun: str = "samples") -> Moment:
    """A moment of a bar that was opened some seconds ago."""
    return Moment(entry, seconds, [Count(noun, "samples", done, 5000, 0.0, seconds)], [], "")


NOTHING = Moment("", 0.0, [], [], "")


def test_a_rate_is_that_between_two_looks_at_one_bar() -> None:
    curve = GenerationCurve()
    assert curve.look(at("samples", 4, 1.0), 100.0) is None, "nothing to compare with"
    assert curve.look(at("samples", 24, 6.0), 105.0) == Moved("samples", 24, 4.0)
    assert curve.look(at("samples", 24, 11.0), 110.0) is None, "nothing has moved"
    assert curve.look(at("samples", 34, 16.0), 115.0) == Moved("samples", 34, 2.0)


@pytest.mark.parametrize(
    ("entry", "gap"), [("samples", False), ("samples", True), ("judge/a/samples", False), ("judge/a/samples", True)]
)
def test_a_rate_reaches_over_no_two_bars(entry: str, *, gap: bool) -> None:
    """Of the small job before, or of the round before, up to what an earlier start had made of this one."""
    curve = GenerationCurve()
    curve.look(at(entry, 4, 1.0), 100.0)
    curve.look(at(entry, 18, 6.0), 105.0)
    if gap:
        curve.look(NOTHING, 110.0)
    assert curve.look(at("samples", 3001, 1.0), 115.0) is None
    assert curve.look(at("samples", 3005, 6.0), 120.0) == Moved("samples", 3005, 0.8)


def test_what_earlier_starts_have_made_is_not_generated_now() -> None:
    curve = GenerationCurve()
    curve.look(at("samples", 0, 0.0), 100.0)
    assert curve.look(at("samples", 3001, 5.0), 105.0) is None
    assert GenerationCurve().look(at("samples", 3, 1.0, noun="encoding"), 100.0) is None


@dataclass(frozen=True)
class NoConfig:
    number: int = 0


def do_nothing(_config: NoConfig, _inputs: Mapping[str, Path], _output: Path, _place: Place) -> None:
    pass


def model(number: int, *inputs: Step, part_of: str = "") -> Step:
    return Step("model", do_nothing, NoConfig(number), inputs, part_of=part_of)


class Told(NoTracker):
    """Keeps the names of what it is told."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        self.names += [f"{noun}/{name} {step}" for name in metrics]

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        self.names += [f"{noun}/{name}" for name in values]

    def artifact(self, finished: Finished) -> None:
        self.names.append(finished.name)


def test_the_curves_of_parts_have_names_of_their_own(tmp_path: Path) -> None:
    first = model(1, part_of="iterations/0.5-seed-1.1")
    point = model(1, first, part_of="points/0.5-seed-1")
    begun = model(2, part_of="iterations/1")
    steps = [first, point, begun, model(2, begun)]
    tracker = Told()
    for step in steps:
        place = naming_curves(step, steps, quiet_place(tmp_path, tracker))
        place.tracker.log(step.noun, {"loss": 1.5}, 3)
    points, own = ["points/0.5-seed-1/model/loss 3"] * 2, ["model/loss 3"] * 2
    assert tracker.names == [*points, *own], "the iterations of a training are one curve"


def test_everything_else_is_passed_on(tmp_path: Path) -> None:
    told = Told()
    tracker = PartTracker(told, "stage/reranker")
    tracker.begin()
    tracker.summary("stage/reranker/model", {"loss": 1.0})
    tracker.table("samples", "table", ["a"], [[1]])
    tracker.artifact(Finished("model", tmp_path, "f1", {}))
    tracker.finish()
    assert told.names == ["stage/reranker/model/loss", "model-f1"]
    assert not tracker.has_failed

"""Progress of training: the curve reaches the driver, failures are raised where they can be read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.runtime.console import Console
from engine.runtime.tracking import NoTracker
from tests.support.training import Points
from training.workers.progress import Point, ValidationPoint, last_lines, start_curve, watch

PLACE: Any = SimpleNamespace(console=Console(), tracker=NoTracker())


def test_watch_returns_what_fit_returns_and_raises_what_it_raises(ray_session: None) -> None:
    import ray

    curve = start_curve()
    ray.get(curve.add.remote(Point(1, 2.5, 1e-5)))
    assert watch(lambda: {"steps": 1}, curve, 1, PLACE) == {"steps": 1}
    assert ray.get(curve.take.remote()) == [], "the driver took the points"

    def fail() -> dict[str, Any]:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        watch(fail, curve, 1, PLACE)
    ray.kill(curve)


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log) == ""
    log.write_text("\n".join(map(str, range(40))))
    assert last_lines(log, 3) == "37\n38\n39"


def test_points_of_validations_are_tracked_and_steps_count_on(ray_session: None) -> None:
    import ray

    tracker, curve = Points(), start_curve()
    for point in (ValidationPoint(0, 0.4), Point(1, 2.5, 1e-5), Point(2, 2.0, 1e-5), ValidationPoint(2, 0.5)):
        ray.get(curve.add.remote(point))
    place: Any = SimpleNamespace(console=Console(), tracker=tracker)
    watch(lambda: None, curve, 2, place, earlier_steps=30)
    assert tracker.points == [
        ("model", {"validation_ndcg_at_10": 0.4}, 30),
        ("model", {"loss": 2.5, "learning_rate": 1e-5}, 31),
        ("model", {"loss": 2.0, "learning_rate": 1e-5}, 32),
        ("model", {"validation_ndcg_at_10": 0.5}, 32),
    ]
    ray.kill(curve)

"""Progress of training: the curve reaches the driver, failures are raised where they can be read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.runtime.console import Console
from engine.runtime.tracking import NoTracker
from training.workers.progress import Point, last_lines, start_curve, watch

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

"""The page of a sweep: the best point first, a line for each finished one, and what the keys explain."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace
from typing import Any

from engine.sweeps.config import Mode, SweepConfig, read_sweep
from engine.sweeps.importance import importance
from engine.sweeps.journal import Progress, Tried
from engine.sweeps.page import best_of, ranked, sweep_page, sweep_table
from engine.sweeps.parallel import parallel_chart

SPACE: dict[str, Any] = {
    "model.learning_rate": {"loguniform": [1e-6, 1e-3]},
    "model.loss": {"choice": ["mnrl", "<script>"]},
    "model.epochs": {"int": [1, 9], "when": {"model.loss": "mnrl"}},
    "model.warmup_share": {"uniform": [0, 0.2]},
}
CONFIG: SweepConfig = read_sweep({"space": SPACE}, "f.yaml", "rates")


def tried(count: int) -> list[Tried]:
    """Finished points whose score is a share of their warm-up, and nothing else."""
    draws = random.Random(3)
    values = [CONFIG.space.draw(draws) for _ in range(count)]
    return [
        Tried(number, one, Progress.finished, one["model.warmup_share"] * 2, [0.1], 61.0)
        for number, one in enumerate(values, 1)
    ]


def test_the_best_point_comes_first_and_unfinished_ones_last() -> None:
    points = [
        Tried(1, {}, Progress.failed, said="it diverged"),
        Tried(2, {}, Progress.finished, 0.25),
        Tried(3, {}, Progress.stopped, curve=[0.75]),
        Tried(4, {}, Progress.finished, 0.5),
    ]
    assert [point.number for point in ranked(points, Mode.max)] == [4, 2, 3, 1]
    best = best_of(points, Mode.min)
    assert best
    assert best.number == 2
    assert best_of(points[:1], Mode.max) is None


def test_a_key_that_decides_the_score_explains_it() -> None:
    shares = importance(CONFIG.space, tried(30))
    assert next(iter(shares)) == "model.warmup_share"
    assert shares["model.warmup_share"] > 0.8
    assert abs(sum(shares.values()) - 1) < 1e-6
    assert "model.epochs" not in shares, "it counts only under a condition"
    assert importance(CONFIG.space, tried(7)) == {}


def test_nothing_is_said_of_keys_that_are_the_same_in_all_points() -> None:
    """As after TPE has settled on a choice: a forest of such points has no variance, which Optuna refuses to split."""
    points = [
        Tried(number, {"model.loss": "mnrl", "model.epochs": number}, Progress.finished, number / 10)
        for number in range(1, 10)
    ]
    space = read_sweep({"space": {key: SPACE[key] for key in ("model.loss", "model.epochs")}}, "f", "rates").space
    assert importance(space, points) == {}
    assert "Nothing is said of fewer than 8" in sweep_page(replace(CONFIG, space=space), "x", points, is_made_up=False)


def test_scores_too_close_to_be_told_apart_are_explained_by_nothing() -> None:
    """Optuna refuses to split a variance that is zero as a float."""
    points = [
        Tried(number, {"a": number % 3, "b": number}, Progress.finished, number % 2 * 1e-200) for number in range(9)
    ]
    space = read_sweep({"space": {"a": {"int": [0, 2]}, "b": {"int": [0, 9]}}}, "f", "rates").space
    assert importance(space, points) == {}


def test_points_of_the_same_settings_are_one_for_what_keys_explain() -> None:
    values = [{"a": number % 2, "b": number % 3} for number in range(6)]
    space = read_sweep({"space": {"a": {"int": [0, 1]}, "b": {"int": [0, 2]}}}, "f", "rates").space
    points = [Tried(number, values[number % 6], Progress.finished, number % 6 / 10) for number in range(30)]
    assert importance(space, points) == {}, "30 points, and no more than 6 settings"


def test_a_score_that_is_no_number_is_never_the_best() -> None:
    points = [
        Tried(1, {}, Progress.finished, math.nan),
        Tried(2, {}, Progress.finished, 0.25),
        Tried(3, {}, Progress.finished, 0.75),
        Tried(4, {}, Progress.stopped, curve=[math.nan]),
        Tried(5, {}, Progress.stopped, curve=[0.5]),
    ]
    for mode, order in ((Mode.max, [3, 2, 1, 5, 4]), (Mode.min, [2, 3, 1, 5, 4])):
        for turned in (points, points[::-1]):
            assert [point.number for point in ranked(turned, mode)] == order
            best = best_of(turned, mode)
            assert best
            assert best.number == order[0]
    assert best_of(points[:1], Mode.max) is None
    many = [*tried(9), Tried(10, tried(1)[0].values, Progress.finished, math.nan)]
    assert "9 of 10 points are finished" in sweep_page(CONFIG, "validation", many, is_made_up=False)


def test_a_line_for_each_finished_point() -> None:
    points = tried(5)
    chart = str(parallel_chart(CONFIG.space, points, "validation"))
    assert chart.count("<title>") == 5
    assert chart.count('class="tuned"') == 1
    joints = sum(len(point.values) for point in points)  # the score is one more place, and n places have n - 1 joints
    assert chart.count('class="joint"') == joints
    heights = [float(y) for y in re.findall(r'class="joint" x1="[^"]+" y1="([^"]+)"', chart)]
    assert all(34 <= y <= 226 for y in heights)


def test_the_page_and_the_table() -> None:
    points = [*tried(9), Tried(10, {"model.loss": "<script>"}, Progress.failed, said="training diverged & ended")]
    page = sweep_page(CONFIG, "validation", points, is_made_up=True)
    best = best_of(points, Mode.max)
    assert best
    assert f"Point {best.number} reaches {best.score:.4g} (validation)" in page
    assert "9 of 10 points are finished" in page
    assert "training diverged &amp; ended" in page
    assert "<script>" not in page
    assert 'class="made-up"' in page
    assert "http" not in page.replace("http-equiv", "").replace("https://", ""), "nothing is loaded from elsewhere"
    assert sweep_table(CONFIG, "validation", points).row_count == 10


def test_a_page_without_a_finished_point() -> None:
    page = sweep_page(CONFIG, "validation", [Tried(1, {}, Progress.failed, said="no")], is_made_up=False)
    assert "None of 1 points has come to its end." in page
    assert "<svg" not in page

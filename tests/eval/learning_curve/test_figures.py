"""A learning curve: means over trainings, intervals that cover them, and where more examples stop helping."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.storage.files import write_json
from engine.storage.typed import to_json_values
from eval.learning_curve.figures import enough_at, mean_with_seeds, read_learning_curve, system_curve
from eval.significance import Bootstrap
from tests.support.learning_curves import BOOTSTRAP, CLUSTERS, made_learning_curve, made_values

HEADLINE = "ndcg@10"


def headline(means: tuple[float, ...], noise: float = 0.02) -> list[np.ndarray]:
    return [by_metric[HEADLINE] for by_metric in made_values(means, noise)]


@pytest.mark.parametrize(
    ("means", "enough"),
    [
        ((0.4, 0.45, 0.5, 0.5), 2),
        ((0.4, 0.4, 0.4, 0.4), 0),
        ((0.4, 0.38, 0.36, 0.34), 0),
        ((0.4, 0.45, 0.5, 0.55), 3),
        ((0.4, 0.35, 0.5, 0.45), 2),
    ],
)
def test_where_more_examples_stop_helping(means: tuple[float, ...], enough: int) -> None:
    assert enough_at(headline(means), CLUSTERS, BOOTSTRAP) == enough


def test_a_curve_has_means_gains_and_what_lies_beyond() -> None:
    values = made_values((0.4, 0.45, 0.5, 0.5))
    curve = system_curve(values, CLUSTERS, BOOTSTRAP)
    for level, by_metric in zip(curve.levels, values, strict=True):
        assert level.mean == pytest.approx(by_metric[HEADLINE].mean())
        assert level.mean == pytest.approx(np.mean(level.seeds))
    assert curve.levels[0].gain is None
    gain = curve.levels[2].gain
    assert gain is not None
    assert gain.low <= 0.05 <= gain.high
    assert gain.mean == pytest.approx(curve.levels[2].mean - curve.levels[1].mean)
    assert curve.beyond is not None
    assert curve.beyond.low <= 0 <= curve.beyond.high
    assert system_curve(made_values((0.4, 0.5)), CLUSTERS, BOOTSTRAP).beyond is None


def test_trainings_that_differ_make_a_wider_interval() -> None:
    alike = np.random.default_rng(0).normal(0.5, 0.1, len(CLUSTERS))
    same = mean_with_seeds(np.stack([alike] * 3), CLUSTERS, BOOTSTRAP, (-1, 1))
    apart = mean_with_seeds(np.stack([alike - 0.1, alike, alike + 0.1]), CLUSTERS, BOOTSTRAP, (-1, 1))
    one = mean_with_seeds(alike[None], CLUSTERS, BOOTSTRAP, (-1, 1))
    assert same.ci95 == pytest.approx(one.ci95)
    assert apart.mean == pytest.approx(same.mean)
    # The standard error of three seeds at -0.1, 0 and 0.1 is 0.1 / sqrt(3).
    expected = np.hypot((same.high - same.low) / 2, 2 * 0.1 / np.sqrt(3))
    assert (apart.high - apart.low) / 2 == pytest.approx(expected, rel=0.1)


def test_intervals_cover_the_draw_of_seeds_and_queries() -> None:
    """Of 200 made curves without any gain, about 5 % may show one."""
    found = 0
    for number in range(200):
        rng = np.random.default_rng(number)
        values = rng.normal(0, 0.1, 40) + rng.normal(0, 0.02, (3, 1))
        figures = mean_with_seeds(values, [str(row) for row in range(40)], Bootstrap(200, number), (-1, 1))
        found += not figures.low <= 0 <= figures.high
    assert found <= 22


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    figures = made_learning_curve()
    write_json(tmp_path / "x.json", to_json_values(figures))
    assert to_json_values(read_learning_curve(tmp_path / "x.json")) == to_json_values(figures)

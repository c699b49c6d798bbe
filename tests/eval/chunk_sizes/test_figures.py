"""Where the curve of chunk sizes flattens: the smallest size that is not significantly worse than the best."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.storage.files import write_json
from engine.storage.typed import to_json_values
from eval.chunk_sizes.figures import read_chunk_sizes, system_curve
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap
from eval.sweeps.measuring import MEASURED
from tests.support.chunk_sizes import TOKENS, made_chunk_sizes


def curve_of(*columns: Floats) -> list[dict[str, Floats]]:
    return [dict.fromkeys(MEASURED, column) for column in columns]


def test_the_curve_is_flat_from_the_smallest_size_that_is_as_good() -> None:
    figures = made_chunk_sizes()
    flat = {name: figures.sizes[curve.flat].tokens for name, curve in figures.sets["judged"].systems.items()}
    assert flat == {"bm25": 256, "base": 128, "base_words": 256}
    base = figures.sets["judged"].systems["base"]
    assert figures.sizes[base.best].tokens == TOKENS[0]
    assert base.sizes[base.best].to_best is None
    assert base.sizes[-1].to_best is not None
    assert base.sizes[-1].to_best.trend == "worse"


def test_equal_sizes_are_flat_from_the_first_on() -> None:
    values = np.random.default_rng(0).random(60)
    curve = system_curve(curve_of(values, values, values), [str(n) for n in range(60)], Bootstrap(200))
    assert (curve.best, curve.flat) == (0, 0)


def test_a_worse_size_between_two_good_ones_does_not_count() -> None:
    values = np.random.default_rng(0).random(60)
    curve = system_curve(curve_of(values, values - 0.2, values + 0.0001), [str(n) for n in range(60)], Bootstrap(200))
    assert curve.best == 2
    assert curve.flat == 2, "a difference that is the same on every query is significant, however small"


def test_a_size_whose_interval_lies_below_zero_is_worse_whatever_the_correction() -> None:
    rng = np.random.default_rng(3)
    values, noise = rng.random(40), rng.normal(0, 0.05, 40)
    loss = noise - noise.mean() + 2.3 * noise.std(ddof=1) / np.sqrt(40)  # 2.3 standard errors: p is about 0.03
    curve = system_curve(curve_of(*[values - loss] * 6, values), [str(n) for n in range(40)], Bootstrap(2000))
    assert [level.to_best.trend for level in curve.sizes if level.to_best] == ["unclear"] * 6, "the correction"
    assert [level.is_worse for level in curve.sizes] == [True] * 6 + [False]
    assert curve.flat == 6


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    figures = made_chunk_sizes()
    write_json(tmp_path / "x.json", to_json_values(figures))
    assert to_json_values(read_chunk_sizes(tmp_path / "x.json")) == to_json_values(figures)

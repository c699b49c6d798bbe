"""What a run tracks becomes a curve, while it is written, and no line is read twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.sweeps import curves
from engine.sweeps.curves import Curve


def line(step: int, score: float, noun: str = "model") -> str:
    """A validation, as a run tracks it."""
    return json.dumps({"noun": noun, "step": step, "validation_ndcg_at_10": score}) + "\n"


def test_a_curve_is_read_while_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "figures.jsonl"
    curve = Curve(file)
    assert curve.scores() == []
    loss = json.dumps({"noun": "model", "step": 3, "loss": 1.5}) + "\n"
    file.write_text(loss + line(0, 0.5) + line(2, 0.25) + line(9, 1.0, "report") + line(4, 0.75)[:20])
    assert curve.scores() == [0.25]
    with file.open("a") as stream:
        stream.write(line(4, 0.75)[20:] + loss + line(2, 0.375))  # step 2 once more, after a checkpoint
    assert curve.scores() == curve.scores() == Curve(file).scores() == [0.375, 0.75]


def test_no_line_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    file = tmp_path / "figures.jsonl"
    file.write_text(line(1, 0.25) + json.dumps({"noun": "model", "step": 1, "loss": 1.5}) + "\n")
    monkeypatch.setattr(
        curves.json, "loads", lambda text: read.append(text) or json.JSONDecoder().decode(text.decode())
    )
    curve = Curve(file)
    curve.scores()
    with file.open("a") as stream:
        stream.write(line(2, 0.5))
    assert curve.scores() == [0.25, 0.5]
    assert read == [line(1, 0.25).encode(), line(2, 0.5).encode()]


def test_every_validation_is_given_until_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "_POLL_SECONDS", 0.0)
    file = tmp_path / "figures.jsonl"
    file.write_text(line(1, 0.25) + line(2, 0.5))
    looks = iter([True, True, False])

    def goes_on() -> bool:
        is_on = next(looks)
        if not is_on:  # the last figures come before the end
            with file.open("a") as stream:
                stream.write(line(3, 0.75))
        return is_on

    assert [*curves.curves(file, goes_on)] == [[0.25], [0.25, 0.5], [0.25, 0.5, 0.75]]

"""The journal of a sweep: what was written is read again, and another search does not go on in its folder."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.sweeps.journal import Journal, Progress

WHAT = {"space": {"a": 1}, "metric": "validation"}


def test_points_are_read_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, WHAT)
    first, second = journal.begin({"a": 0.5, "b": "x"}), journal.begin({"a": 0.25})
    journal.change(first.number, progress=Progress.finished, score=0.75, curve=[0.5, 0.75])
    points = Journal(tmp_path, WHAT).points
    assert [point.number for point in points] == [1, 2]
    assert points[0].values == {"a": 0.5, "b": "x"}
    assert (points[0].progress, points[0].score, points[0].curve) == (Progress.finished, 0.75, [0.5, 0.75])
    assert points[1] == second
    assert points[1].progress is Progress.started
    assert Journal(tmp_path, WHAT).begin({}).number == 3


def test_another_search_under_the_same_name_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path, WHAT)
    journal = Journal(tmp_path, {**WHAT, "metric": "held_out"})  # nothing was tried yet
    journal.begin({"a": 1})
    with pytest.raises(UserError, match=r"holds a sweep with another metric \(then held_out, now validation\); give"):
        Journal(tmp_path, WHAT)


def test_a_sweep_that_wrote_a_key_twice_goes_on(tmp_path: Path) -> None:
    """As those did that were begun when the command line was added to the file, and not put in its place."""
    now = {**WHAT, "overrides": ["experiment=demo", "seed=3", "model.lr=2"]}
    Journal(tmp_path, now).begin({"a": 1})
    then = {**WHAT, "overrides": ["experiment=demo", "model.lr=1", "seed=3", "model.lr=2"]}
    (tmp_path / "sweep.json").write_text(json.dumps(then))
    assert len(Journal(tmp_path, now).points) == 1
    with pytest.raises(UserError, match=r"another overrides \(then model\.lr=2, now model\.lr=1\)"):
        Journal(tmp_path, {**now, "overrides": ["experiment=demo", "seed=3", "model.lr=1"]})


def test_a_sweep_goes_on_in_another_order_and_on_another_machine(tmp_path: Path) -> None:
    then = {**WHAT, "overrides": ["seed=3", "experiment=demo", "samples.num_engines=4", "a=7", "watch.every_seconds=9"]}
    Journal(tmp_path, then).begin({"a": 1})
    now = {**WHAT, "overrides": ["experiment=demo", "seed=3", "model.num_workers=2"]}
    assert len(Journal(tmp_path, now).points) == 1, "a=7 never counted beside the values that the space has of a"


def test_a_space_whose_choices_were_given_twice_goes_on(tmp_path: Path) -> None:
    Journal(tmp_path, {"space": {"a": {"choices": [1, 2, 1]}}}).begin({"a": 1})
    assert len(Journal(tmp_path, {"space": {"a": {"choices": [1, 2]}}}).points) == 1
    with pytest.raises(UserError, match=r"another space \(a\); give"):
        Journal(tmp_path, {"space": {"a": {"choices": [1]}}})


@pytest.mark.parametrize(
    ("name", "text"),
    [("points.json", "[] and more"), ("points.json", '[{"number": 1}]'), ("points.json", "[1]"), ("sweep.json", "[1")],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, name: str, text: str) -> None:
    Journal(tmp_path, WHAT).begin({"a": 1})
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=rf"{name}: is damaged; restore it, or give the sweep another name"):
        Journal(tmp_path, WHAT)


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, r"the disk is full"), (errno.EACCES, r"points\.json: cannot be written")]
)
def test_a_point_that_cannot_be_written_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    journal = Journal(tmp_path, WHAT)

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("engine.sweeps.journal.write_json", refuse)
        with pytest.raises(UserError, match=said):
            journal.begin({"a": 1})
    journal.begin({"a": 2})
    assert [point.values for point in Journal(tmp_path, WHAT).points] == [{"a": 1}, {"a": 2}]


def test_validations_are_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time all points are written: many points with many validations would keep the driver busy."""
    journal = Journal(tmp_path, WHAT)
    journal.begin({"a": 1})
    written = (tmp_path / "points.json").read_text()
    journal.follow(1, [0.5])
    assert (tmp_path / "points.json").read_text() == written
    assert journal.points[0].curve == [0.5]
    journal.begin({"a": 2})
    assert Journal(tmp_path, WHAT).points[0].curve == [0.5], "it is written with what comes next"
    monkeypatch.setattr("engine.sweeps.journal._FOLLOW_SECONDS", 0.0)
    journal.follow(1, [0.5, 0.75])
    assert Journal(tmp_path, WHAT).points[0].curve == [0.5, 0.75]

"""A sweep file: what it says is read, and what it must not say is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UserError
from engine.sweeps.config import Mode, check_mode, read_sweep
from engine.sweeps.search import Method
from engine.sweeps.stopping import Stop

SPACE: dict[str, Any] = {"model.epochs": {"int": [1, 3]}}


def test_what_a_file_leaves_out_has_its_default() -> None:
    config = read_sweep({"space": SPACE}, "dir/rates.yaml", "rates")
    assert (config.name, config.metric, config.mode, config.points) == ("rates", "", Mode.max, 20)
    assert (config.search, config.stop, config.concurrency, config.seed) == (Method.tpe, Stop.none, 0, 0)


def test_everything_can_be_said() -> None:
    said = {"name": "r", "mode": "min", "points": 3, "search": "random", "stop": "asha", "overrides": ["seed=1"]}
    config = read_sweep({"space": SPACE, **said}, "f", "rates")
    assert (config.name, config.mode, config.points, config.overrides) == ("r", Mode.min, 3, ("seed=1",))
    assert (config.search, config.stop) == (Method.random, Stop.asha)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"point": 3}, r"^f: there is no key 'point'; did you mean 'points'"),
        ({"points": 0}, r"^f: points: 0 is out of range"),
        ({"points": True}, "True is out of range"),
        ({"concurrency": -1}, "concurrency: -1 is out of range"),
        ({"search": "grid"}, r"search: 'grid' is none of its values; valid are: random, tpe"),
        ({"stop": "ahsa"}, "did you mean 'asha'"),
        ({"mode": "best"}, "mode: 'best' is none of its values"),
        ({"name": "../x"}, "is no name of a folder"),
        ({"name": 300 * "x"}, r"^f: name: 'x{20}'\.\.\. has 300 bytes; take 230 bytes at most"),
        ({"overrides": "seed=1"}, "are no list of texts"),
        ({"space": None}, "space: tries no key"),
        ({"stop": None}, r"^f: stop: has no value; write one behind it, or leave the key out"),
        ({"metric": None}, r"^f: metric: has no value"),
        ({"name": None}, r"^f: name: has no value"),
        ({"overrides": None}, r"^f: overrides: has no value"),
    ],
)
def test_a_wrong_file_is_refused(said: dict[str, Any], error: str) -> None:
    with pytest.raises(UserError, match=error):
        read_sweep({"space": SPACE, **said}, "f", "rates")


def test_the_good_end_of_a_score_is_no_guess() -> None:
    check_mode(read_sweep({"space": SPACE, "mode": "max"}, "f", "rates"), "validation")
    check_mode(read_sweep({"space": SPACE}, "f", "rates"), "held_out")
    for mode in ("min", "max"):
        check_mode(read_sweep({"space": SPACE, "mode": mode}, "f", "rates"), "model.loss.last")
    with pytest.raises(
        UserError, match=r"^f: mode: nothing says whether model\.loss\.last is to be high or low; write"
    ):
        check_mode(read_sweep({"space": SPACE}, "f", "rates"), "model.loss.last")
    for metric in ("validation", "held_out"):
        with pytest.raises(UserError, match=f"^f: mode: min would look for the worst point: high is good of {metric}"):
            check_mode(read_sweep({"space": SPACE, "mode": "min"}, "f", "rates"), metric)

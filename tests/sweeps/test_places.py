"""The place of a mistake: the file and its key where the file is at fault, and the override that was typed."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UserError
from engine.sweeps.config import read_sweep
from engine.sweeps.places import placed

CONFIG = read_sweep(
    {"space": {"model.epochs": {"uniform": [1, 4]}, "task": {"choice": ["a"]}}, "overrides": ["seed=x", "~samples.a"]},
    "f.yaml",
    "f",
)
TYPED = ["collection=docs", "+samples.b=1"]
VALUES: dict[str, Any] = {"model.epochs": 1.0, "task": "a"}


@pytest.mark.parametrize(
    ("where", "what", "is_of_all", "place"),
    [
        ("model.epochs=1.0", "is wrong", False, "f.yaml: space: model.epochs=1.0"),
        ("model.epochs", "is wrong", True, "f.yaml: space: model.epochs"),
        ("task=a", "there is none", False, "f.yaml: space: task=a"),
        ("task.turns", "lacks something", False, "f.yaml: space: task.turns"),
        ("seed=x", "is wrong", True, "f.yaml: overrides: seed=x"),
        ("collection=docs", "does not exist", True, "collection=docs"),
        ("f.yaml: metric", "is wrong", True, "f.yaml: metric"),
        ("command line", "Could not delete 'samples.a'", True, "f.yaml: overrides: ~samples.a"),
        ("command line", "Could not append to 'samples.b'", True, "+samples.b=1"),
        ("command line", "Could not append", False, "f.yaml: space: task=a"),
        ("command line", "Could not append model.epochs", False, "f.yaml: space: model.epochs=1.0"),
        ("mine.yaml: key", "is wrong", True, "mine.yaml: key"),
        ("model.lora.rank=3", "fits nothing", False, "f.yaml: space: model.lora.rank=3"),
    ],
)
def test_a_mistake_has_its_place(where: str, what: str, is_of_all: bool, place: str) -> None:
    error = UserError(what, where=where, remedy="mend it")

    def without() -> None:
        if is_of_all:
            raise UserError(what, where=where, remedy="mend it")

    found = placed(error, CONFIG, TYPED, VALUES, without)
    assert (found.where, found.what, found.remedy) == (place, what, "mend it")


def test_a_range_that_is_none_of_whole_numbers_has_its_remedy() -> None:
    error = UserError("'1.0' is not a whole number", where="model.epochs=1.0", remedy="give a whole number")
    assert (
        placed(error, CONFIG, TYPED, VALUES, lambda: None).remedy
        == "write int: [LOWEST, HIGHEST] in the place of uniform"
    )

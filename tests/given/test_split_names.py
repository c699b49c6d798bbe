"""Words say a side of a split, in whatever name they stand; a name that is to say one and does not is refused."""

from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.given.split_names import said_split, split_of_name


@pytest.mark.parametrize("name", ["train", "Training.csv", "train-00000-of-00001", "set-v1_train", "train2014"])
def test_names_of_what_is_trained_on(name: str) -> None:
    assert split_of_name(name) == "train"


@pytest.mark.parametrize(
    "name",
    [
        *("validation_matched", "test_unseen", "DEV", "val.2", "dev-00001.csv", "development"),
        *("held-out", "held out", "heldout", "hold_out", "my.holdout.jsonl"),
    ],
)
def test_names_of_what_is_held_out(name: str) -> None:
    assert split_of_name(name) == "validation"


@pytest.mark.parametrize("name", ["", "0", "trains.csv", "device.csv", "threshold_outer", "more", "holder"])
def test_words_inside_words_name_no_split(name: str) -> None:
    assert split_of_name(name) == ""


def test_what_says_no_side_is_refused_with_its_place() -> None:
    assert said_split("Held-out", "F:7", "or leave it out") == "validation"
    with pytest.raises(UserError, match=r"^F:7: the split 'x{40}\.\.\.' says neither") as caught:
        said_split("x" * 50, "F:7", "or leave it out")
    assert caught.value.remedy == "call it train or validation, or leave it out"

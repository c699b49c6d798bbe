"""Rows of a classifier: numbers in the place of labels, and how much each row counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import Form, given_schema
from engine.errors import UserError
from engine.given.config import GivenConfig
from engine.given.step import read_given
from tests.support.places import quiet_place
from training.config import ClassWeights, Family, ModelConfig
from training.labels import HeldOut, read_labelled
from training.losses.settings import Loss


def labelled(
    folder: Path, rows: Sequence[tuple[str, list[str], str]], weights: list[float] | None = None
) -> ExamplesFolder:
    """An examples folder of texts with labels, each in a split."""
    blank = {"sample_id": 0, "passage_id": "", "document_id": "", "reason": "", "detail": ""}
    listed = [{**blank, "text": text, "labels": labels, "split": split} for text, labels, split in rows]
    table = pa.Table.from_pylist(listed, schema=given_schema(Form.labelled))
    if weights:
        table = table.append_column("weight", pa.array(weights, pa.float32()))
    pq.write_table(table, folder / "kept.parquet")
    return ExamplesFolder(folder)


def config(**changes: Any) -> ModelConfig:
    return ModelConfig(seed=0, family=Family.classifier, **changes)


ROWS = [("a", ["wasps"], "train"), ("b", ["bees"], "train"), ("c", ["bees"], "train"), ("d", ["bees"], "validation")]


def test_labels_become_numbers_and_held_out_rows_are_kept_apart(tmp_path: Path) -> None:
    rows, labels = read_labelled(config(), labelled(tmp_path, [*ROWS, ("e", ["flies"], "validation")]))
    assert rows.to_pydict() == {"text": ["a", "b", "c"], "targets": [[1], [0], [0]], "weight": [1, 1, 1]}
    assert (labels.names, labels.several, labels.weights) == (("bees", "wasps"), False, ())
    assert labels.held_out == HeldOut(("d",), ((0,),)), "of a label that nobody trains there is nothing to say"


def test_several_labels_or_none_make_each_a_question_by_itself(tmp_path: Path) -> None:
    rows = [("a", ["wasps", "bees"], "train"), ("b", [], "train"), ("c", ["bees"], "train")]
    table, labels = read_labelled(config(class_weights=ClassWeights.balanced), labelled(tmp_path, rows))
    assert table["targets"].to_pylist() == [[1, 0], [], [0]]
    assert labels.several
    assert labels.weights == (0.5, 2.0), "two have bees and one has not; one has wasps and two have not"
    assert table["weight"].to_pylist() == [1, 1, 1]
    with pytest.raises(UserError, match=r"^model\.loss=cross_entropy: 2 examples have another number of labels"):
        read_labelled(config(loss=Loss.cross_entropy), labelled(tmp_path, rows))
    assert read_labelled(config(loss=Loss.binary_cross_entropy), labelled(tmp_path, ROWS))[1].several


def test_weights_of_a_file_that_one_has_reach_training(tmp_path: Path) -> None:
    rows = [{"text": f"{row}", "label": "ab"[row % 2], "weight": [4, 1, None, 2][row]} for row in range(4)]
    file = tmp_path / "given.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "examples").mkdir()
    given = GivenConfig(str(file), validation_share=0.0)
    read_given(given, {}, tmp_path / "examples", quiet_place(tmp_path))
    train, _ = read_labelled(config(), ExamplesFolder(tmp_path / "examples"))
    assert train["weight"].to_pylist() == [2, 0.5, 0.5, 1], "a row that says none counts as 1, and the mean is 1"


def test_rare_labels_count_more_and_weights_have_a_mean_of_one(tmp_path: Path) -> None:
    balanced = config(class_weights=ClassWeights.balanced)
    rows, labels = read_labelled(balanced, labelled(tmp_path, ROWS))
    assert rows["weight"].to_pylist() == pytest.approx([1.5, 0.75, 0.75])
    assert labels.weights == (), "in the rows they are counted already"
    rows, _ = read_labelled(config(), labelled(tmp_path, ROWS, [3.0, 0.0, 3.0, 1.0]))
    assert rows["weight"].to_pylist() == [1.5, 0, 1.5]
    with pytest.raises(UserError, match="column weight: weights of examples are numbers from 0 on"):
        read_labelled(config(), labelled(tmp_path, ROWS, [3.0, -1.0, 3.0, 1.0]))


def test_one_label_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 training examples have 1 different labels"):
        read_labelled(config(), labelled(tmp_path, ROWS[1:]))

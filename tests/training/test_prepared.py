"""What a model is trained on follows from the form of the examples, the family and the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from engine.artifacts.forms import Form
from engine.runtime.place import Place
from tests.support.families import write_labelled
from tests.support.training import make_passages, write_given
from training.batches.keys import RowKeys
from training.config import Family, ModelConfig
from training.losses.settings import Loss
from training.negatives import NO_NEGATIVES
from training.prepared import TrainingRows, read_training_rows

NOWHERE = cast(Place, None)
"""Nothing is said or searched where there is no teacher."""


def config(**changes: Any) -> ModelConfig:
    return ModelConfig(seed=0, **changes)


def test_a_classifier_reads_texts_and_numbers_of_labels_in_any_batch(tmp_path: Path) -> None:
    settings = config(family=Family.classifier)
    read = read_training_rows(settings, {"examples": write_labelled(tmp_path / "examples", 20)}, NOWHERE)
    assert (read.form, read.loss, read.loss_of(settings)) == (Form.labelled, Loss.cross_entropy, Loss.cross_entropy)
    assert read.table(NO_NEGATIVES).column_names == ["text", "targets", "weight"]
    assert read.labels is not None
    assert read.notes() == {}


def test_texts_are_denoised_and_the_choice_between_ranking_losses_is_the_workers(tmp_path: Path) -> None:
    examples = write_given(tmp_path / "texts", Form.texts, {"text": make_passages(12)})
    read = read_training_rows(config(), {"examples": examples}, NOWHERE)
    assert (read.loss, read.loss_of(config())) == (Loss.denoising, Loss.denoising)
    pairs = write_given(tmp_path / "pairs", Form.pairs, {"query": make_passages(12), "passage": make_passages(12)})
    read = read_training_rows(config(), {"examples": pairs}, NOWHERE)
    assert (read.loss, read.loss_of(config())) == (Loss.mnrl, Loss.auto)
    assert read.table(NO_NEGATIVES).column_names == ["query", "passage"]


@pytest.mark.parametrize(("own", "given"), [([], Form.pairs), (["negative"], Form.triplets)])
def test_an_iteration_compares_mined_negatives_alone(own: list[str], given: Form) -> None:
    """Not those of the examples, nor candidates of a teacher, which are the same in each iteration."""
    rows = pa.table({name: ["a", "b"] for name in ["query", "passage", *own]})
    mined = np.array([[1, 2], [3, 4]], np.uint64)
    around = [np.full((2, len(own)), 9, np.uint64), mined, np.array([[0], [7]], np.uint64)]
    numbers = np.arange(2, dtype=np.uint64)
    keys = RowKeys(numbers, numbers, numbers, negative_passages=np.concatenate(around, axis=1))
    read = TrainingRows(given, rows, Loss.mnrl, None, None)
    assert np.array_equal(read.mined(config(num_hard_negatives=2), keys), mined)
    assert not read.mined(config(), keys).size

"""The rows that a classifier is trained on: texts, and numbers in the place of labels.

In: a finished examples folder whose rows have labels. Out: an Arrow table with a row per example, the names of the
labels, and some held-out rows, by which probabilities are calibrated after training. Weights of examples and of labels
become one number for each row, with a mean of one, so
that the loss of a batch does not depend on which worker has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.artifacts.draws import draw_rows
from engine.artifacts.forms import LABELS, TEXT, WEIGHT
from engine.errors import UserError
from training.config import ClassWeights
from training.losses.settings import Loss
from training.texts import Texts

if TYPE_CHECKING:
    from engine.artifacts.examples import ExamplesFolder
    from training.config import ModelConfig

TARGETS = "targets"
"""The column that stands in the place of labels: numbers of labels, list<int32>."""
_MOST_HELD_OUT = 1000
"""Probabilities are calibrated by so many held-out rows at most; there is one number to find."""
_STREAM = 0x6C61626C
"""Keeps the draw of these rows independent of other draws by the same ids."""
_HELD_OUT = pa.schema([("sample_id", pa.int64()), (TEXT, pa.large_string()), (LABELS, pa.list_(pa.string()))])


@dataclass(frozen=True)
class HeldOut:
    """Rows that are not trained on.

    Attributes:
        texts: of the rows.
        targets: the numbers of each row's labels.
    """

    texts: tuple[str, ...] = ()
    targets: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Labels:
    """The labels of a classifier.

    Attributes:
        names: of the labels, in the order of their numbers.
        several: whether a text may have another number of labels than one.
        weights: how much a label counts where a text has it, beside where it has not; empty: all the same.
        held_out: rows to calibrate probabilities by.
    """

    names: tuple[str, ...]
    several: bool
    weights: tuple[float, ...]
    held_out: HeldOut


def read_labelled(config: ModelConfig, examples: ExamplesFolder, folder: Path | None = None) -> tuple[pa.Table, Labels]:
    """Reads the kept examples of split "train": columns text, targets and weight; and what is known of the labels.

    Args:
        config: its loss, and how much labels count.
        examples: the finished folder, of form `labelled`.
        folder: where the texts lie while they are used, as of `training.rows.read_rows`.

    Raises:
        UserError: there is one label only, a text has several where one is asked for, or a
            weight is negative.
    """
    rows, held_out = _read(examples, folder), _held_out_rows(examples)
    names = sorted(set(pc.unique(pc.list_flatten(rows[LABELS])).drop_null().to_pylist()))
    if len(names) < 2:
        what = f"{rows.num_rows} training examples have {len(names)} different labels, and two are the least"
        raise UserError(what, where="examples", remedy="give more examples, or another label")
    targets = _numbers(rows[LABELS], names)
    counts = np.asarray(pc.list_value_length(targets))
    several = config.loss is Loss.binary_cross_entropy or bool((counts != 1).any()) or held_out.have_several
    if several and config.loss is Loss.cross_entropy:
        wrong = f"{number} examples" if (number := int((counts != 1).sum())) else "held-out examples"
        what = f"{wrong} have another number of labels than one"
        remedy = f"set it to {Loss.auto.value} or {Loss.binary_cross_entropy.value}"
        raise UserError(what, where=f"model.loss={config.loss.value}", remedy=remedy)
    of_labels = _label_weights(config, targets, len(names), several=several)
    weights = _row_weights(rows[WEIGHT], np.zeros(0) if several else of_labels, targets)
    table = pa.table({TEXT: rows[TEXT], TARGETS: targets, WEIGHT: weights})
    labels = Labels(tuple(names), several, tuple(of_labels.tolist()) if several else (), held_out.with_labels(names))
    return table.combine_chunks(), labels


def _read(examples: ExamplesFolder, folder: Path | None) -> pa.Table:
    """Reads text, labels and weight of the rows to train on; where rows have no weight, each counts as one."""
    has_weights = WEIGHT in examples.columns().names
    schema = pa.schema([(LABELS, pa.list_(pa.string())), (WEIGHT, pa.float32())])
    texts, tables = Texts(folder), [schema.empty_table()]
    for rows in examples.kept_batches([TEXT, LABELS, *([WEIGHT] if has_weights else [])], "train"):
        weight = rows[WEIGHT].fill_null(1) if has_weights else pa.array(np.ones(len(rows), np.float32))
        texts.add(rows[TEXT])
        tables.append(
            pa.table([rows[LABELS].cast(schema.field(LABELS).type), weight.cast(pa.float32())], schema=schema)
        )
    return pa.concat_tables(tables).add_column(0, TEXT, texts.whole())


def _numbers(labels: pa.ChunkedArray, names: list[str]) -> pa.ListArray:
    """Puts the numbers of labels in their place; all of them are among the names."""
    lists = labels.combine_chunks()
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, pc.index_in(lists.flatten(), pa.array(names)).cast(pa.int32()))


def _label_weights(
    config: ModelConfig, targets: pa.ListArray, num_labels: int, *, several: bool
) -> NDArray[np.float64]:
    """Returns how much each label counts, (labels,); nothing where all count the same."""
    if config.class_weights is ClassWeights.none:
        return np.zeros(0)
    having = np.bincount(targets.flatten().to_numpy(), minlength=num_labels).astype(np.float64)
    if several:  # beside those that have it not
        return np.maximum(len(targets) - having, 1) / having
    return len(targets) / (num_labels * having)


def _row_weights(given: pa.ChunkedArray, of_labels: NDArray[np.float64], targets: pa.ListArray) -> pa.Array:
    """Multiplies the weight of each row by that of its label, and all by one number that makes the mean one."""
    weights = given.to_numpy().astype(np.float64)
    if len(of_labels):
        weights = weights * of_labels[targets.flatten().to_numpy()]
    if not (weights >= 0).all() or weights.sum() == 0:
        what = "weights of examples are numbers from 0 on, and not all of them 0"
        remedy = "correct them, or have no column read as weights (examples.columns.weight=none)"
        raise UserError(what, where=f"examples, column {WEIGHT}", remedy=remedy)
    return pa.array((weights / weights.mean()).astype(np.float32))


@dataclass(frozen=True, eq=False)
class _HeldOutRows:
    """Rows that are held out.

    Attributes:
        drawn: some of them, with text and labels.
        have_several: whether any of all of them has another number of labels than one.
    """

    drawn: pa.Table
    have_several: bool

    def with_labels(self, names: list[str]) -> HeldOut:
        """Returns those drawn with numbers of labels; those whose labels are not trained say nothing, and go."""
        known = set(names)
        is_known = [known.issuperset(row or ()) for row in self.drawn[LABELS].to_pylist()]
        kept = self.drawn.filter(pa.array(is_known, pa.bool_()))
        targets: list[list[int]] = _numbers(kept[LABELS], names).to_pylist()
        return HeldOut(tuple(kept[TEXT].to_pylist()), tuple(tuple(row) for row in targets))


def _held_out_rows(examples: ExamplesFolder) -> _HeldOutRows:
    """Draws rows to calibrate by, and looks at the labels of all; no more than these and a batch are in memory."""
    several = False

    def looked_at() -> Iterator[pa.RecordBatch]:
        nonlocal several
        for batch in examples.kept_batches(_HELD_OUT.names, "validation"):
            several |= bool((np.asarray(pc.list_value_length(batch[LABELS]).fill_null(0)) != 1).any())
            yield batch

    drawn, _ = draw_rows(looked_at(), _MOST_HELD_OUT, _STREAM, _HELD_OUT)
    return _HeldOutRows(drawn, several)

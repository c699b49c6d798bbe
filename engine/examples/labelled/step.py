"""The step that makes labelled texts of generated ones: a label is a condition that the text was written under.

In: the examples folder of a task. Out: another one, whose rows are texts with their labels, on the same side of the
split and with the same ids; kept texts that are controls lie apart, and rejected ones are counted. Rows are streamed.
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.examples import CONTROLS, CONTROLS_FILE, KEPT_FILE, REJECTED_FILE, ExamplesFolder, ExamplesRecord
from engine.artifacts.forms import LABELS, TEXT, Form, given_schema
from engine.errors import UserError
from engine.examples.labelled.config import CONTROLS_KEY, LABEL_KEY, YES, LabelledConfig

if TYPE_CHECKING:
    from engine.runtime.place import Place

_SCHEMA = given_schema(Form.labelled)


def label_examples(
    config: LabelledConfig,
    inputs: Mapping[str, Path],
    output: Path,
    place: Place,  # noqa: ARG001 (it needs nothing of the machine)
) -> ExamplesRecord:
    """Labels all examples, rejected ones too, and sets controls apart.

    Args:
        config: which conditions are the labels.
        inputs: the finished folder `examples`.
        output: becomes an examples folder.
        place: where the step runs.

    Raises:
        UserError: the texts to train on have fewer than two different labels, or sets of them, to tell apart.
    """
    started = time.monotonic()
    source = ExamplesFolder(inputs["examples"])
    names = ["sample_id", "passage_id", "document_id", "query", "split", "reason", "detail"]
    names += [f"{CONDITION_PREFIX}{name}" for name in (*config.conditions, *config.controls)]
    splits: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    told_apart: set[tuple[str, ...]] = set()
    lost = _rejected_controls(source, config)
    controls = _write_controls(source.kept_batches(names), output / CONTROLS_FILE, config, lost)
    for batch in _written(_others(source.kept_batches(names), config), output / KEPT_FILE, config):
        for row_labels, split in zip(batch[LABELS].to_pylist(), batch["split"].to_pylist(), strict=True):
            splits[split] += 1
            labels.update(row_labels)
            if split == "train" and len(told_apart) < 2:
                told_apart.add(tuple(row_labels))
    for batch in _written(_others(source.rejected_batches(names), config), output / REJECTED_FILE, config):
        rejected.update(batch["reason"].to_pylist())
    if len(told_apart) < 2:
        raise UserError(
            f"all texts to train on have the same labels ({', '.join(labels) or 'none'})",
            where=f"{LABEL_KEY}={' '.join(config.conditions)}",
            remedy="name a condition with several values, or plan more samples",
        )
    return ExamplesRecord(
        kept=splits.total(),
        train=splits["train"],
        validation=splits["validation"],
        rejected=dict(rejected.most_common()),
        seconds={"label": round(time.monotonic() - started, 3)},
        labels=dict(sorted(labels.items())),
        controls=controls,
        rejected_controls=lost,
    )


def _others(batches: Iterable[pa.RecordBatch], config: LabelledConfig) -> Iterator[pa.RecordBatch]:
    """Yields the rows that are no controls."""
    for batch in batches:
        yield batch.filter(pc.invert(_are_controls(batch, config.controls))) if config.controls else batch


def _are_controls(batch: pa.RecordBatch, controls: Mapping[str, str]) -> pa.Array:
    """Tells which rows have all the values of controls, (rows,)."""
    matches = [
        pc.fill_null(pc.equal(batch[f"{CONDITION_PREFIX}{name}"], value), False) for name, value in controls.items()
    ]
    return functools.reduce(pc.and_, matches)


def _rejected_controls(source: ExamplesFolder, config: LabelledConfig) -> dict[str, int]:
    """Counts the rejected texts that are controls, by reason."""
    counts: Counter[str] = Counter()
    if config.controls:
        names = ["reason", *(f"{CONDITION_PREFIX}{name}" for name in config.controls)]
        for batch in source.rejected_batches(names):
            counts.update(batch.filter(_are_controls(batch, config.controls))["reason"].to_pylist())
    return dict(counts.most_common())


def _write_controls(
    batches: Iterable[pa.RecordBatch], file: Path, config: LabelledConfig, rejected: Mapping[str, int]
) -> int | None:
    """Writes the texts of controls, and returns how many there are; None where no text is to be one.

    Args:
        batches: kept texts.
        file: becomes that of the controls.
        config: which texts are controls.
        rejected: number of those that were rejected, by reason, for the message.

    Raises:
        UserError: no kept text is one, so that there is nothing to compare with.
    """
    if not config.controls:
        return None
    count = 0
    with pq.ParquetWriter(file, CONTROLS, compression="zstd") as writer:
        for batch in batches:
            rows = batch.filter(_are_controls(batch, config.controls))
            columns = [rows["query" if name == TEXT else name] for name in CONTROLS.names]
            writer.write_batch(pa.record_batch(columns, names=CONTROLS.names).cast(CONTROLS))
            count += len(rows)
    if not count:
        told = ", ".join(f"{name}={value}" for name, value in config.controls.items())
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in rejected.items())
        what = "no kept text is a control" + (f" (rejected: {reasons})" if rejected else "")
        remedy = "plan more samples, or leave model.controls out"
        raise UserError(what, where=f"{CONTROLS_KEY}={{{told}}}", remedy=remedy)
    return count


def _written(batches: Iterable[pa.RecordBatch], file: Path, config: LabelledConfig) -> Iterator[pa.RecordBatch]:
    """Writes rows with their labels, and gives them batch by batch."""
    with pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
        for batch in batches:
            known = {
                TEXT: batch["query"],
                LABELS: pa.array(_labels_of(batch, config.conditions), _SCHEMA.field(LABELS).type),
            }
            columns = [known[name] if name in known else batch[name] for name in _SCHEMA.names]
            labelled = pa.record_batch(columns, names=_SCHEMA.names).cast(_SCHEMA)
            writer.write_batch(labelled)
            yield labelled


def _labels_of(batch: pa.RecordBatch, conditions: Sequence[str]) -> list[list[str]]:
    """Returns the labels of each row: the value of the only condition, or the names of those whose value is `yes`."""
    values = [batch[f"{CONDITION_PREFIX}{name}"].to_pylist() for name in conditions]
    if len(conditions) == 1:
        return [[value] for value in values[0]]
    rows = zip(*values, strict=True)
    return [[name for name, value in zip(conditions, row, strict=True) if value == YES] for row in rows]

"""A step that gives examples another form: fewer of them, the passages of pairs alone, or pairs with negatives.

In: a finished examples folder. Out: another one, of the same documents on the same sides, so that models which learn
from different forms can be measured on the same held-out questions. Passages and triplets are made for training only:
held-out rows stay in the folder that they come from. Controls of labelled texts are of no passage, and all stay. Rows
are streamed; in memory are the ids of the distinct passages
that are trained on, whose texts lie in a file meanwhile, and 8 bytes for each row.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.examples import (
    CONTROLS,
    CONTROLS_FILE,
    KEPT_FILE,
    REJECTED_FILE,
    ExamplesFolder,
    ExamplesRecord,
)
from engine.artifacts.forms import LABELS, WEIGHT, Form, given_schema
from engine.errors import UserError
from engine.given.recast.config import RecastConfig
from engine.given.recast.negatives import NegativeDraw, TrainedPassages, read_passages
from engine.text.hashes import mix, text_hashes

if TYPE_CHECKING:
    from engine.runtime.place import Place

_STREAM = 0x6C696D6974
"""Keeps the draw of passages independent of every other draw."""
_PASSAGES_AT_ONCE = 8_192
BEYOND_LIMIT = "beyond the limit of passages"
"""Why a row is left out."""


def recast_examples(config: RecastConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> ExamplesRecord:
    """Writes the examples in their new form.

    Args:
        config: which form, and how many.
        inputs: the finished folder `examples`; pairs, where the form changes.
        output: becomes an examples folder.
        place: where a person is told by which words BM25 finds negatives.

    Raises:
        UserError: another form is made of what are no pairs, or there are too few documents to draw a negative from.
    """
    started = time.monotonic()
    source = ExamplesFolder(inputs["examples"])
    if config.form and source.form() is not Form.pairs:
        what = f"are made of pairs, and these examples are {source.form().value}"
        raise UserError(what, where=f"form={config.form.value}", remedy="name a set of pairs (stages.sets.NAME.of)")
    weighted = config.form is None and WEIGHT in source.columns().names
    schema = given_schema(config.form or source.form(), weighted=weighted)
    splits: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    with pq.ParquetWriter(output / KEPT_FILE, schema) as kept, pq.ParquetWriter(output / REJECTED_FILE, schema) as left:
        if config.form is None:
            taken = _drawn(source, config)
            for batch in source.kept_batches(schema.names):
                is_taken = pc.is_in(batch["passage_id"], value_set=taken)
                kept.write_batch(batch.filter(is_taken).cast(schema))
                splits.update(batch.filter(is_taken)["split"].to_pylist())
                others = _with_reason(batch.filter(pc.invert(is_taken)), schema)
                left.write_batch(others)
                rejected.update(others["reason"].to_pylist())
            for batch in source.rejected_batches(schema.names):
                left.write_batch(batch.cast(schema))
                rejected.update(batch["reason"].to_pylist())
        else:
            for table in _remade(source, config, output, place):
                numbers = np.arange(splits.total(), splits.total() + len(table))
                place_of_ids = schema.get_field_index("sample_id")
                kept.write_table(table.set_column(place_of_ids, schema.field("sample_id"), pa.array(numbers)))
                splits.update(table["split"].to_pylist())
    record = ExamplesRecord(
        kept=splits.total(),
        train=splits["train"],
        validation=splits["validation"],
        rejected=dict(rejected.most_common()),
        seconds={"recast": round(time.monotonic() - started, 3)},
    )
    return _with_labels(record, source, output)


def _with_labels(record: ExamplesRecord, source: ExamplesFolder, output: Path) -> ExamplesRecord:
    """Returns the record with what is counted of labelled texts alone, and copies their controls."""
    written = ExamplesFolder(output)
    if written.form() is not Form.labelled:
        return record
    labels: Counter[str] = Counter()
    not_one_label = 0
    for batch in written.kept_batches([LABELS]):
        labels.update(pc.list_flatten(batch[LABELS]).to_pylist())
        not_one_label += pc.sum(pc.not_equal(pc.list_value_length(batch[LABELS]), 1)).as_py() or 0
    record = replace(record, labels=dict(sorted(labels.items())), not_one_label=not_one_label)
    if not (source.path / CONTROLS_FILE).exists():
        return record
    controls = 0
    with pq.ParquetWriter(output / CONTROLS_FILE, CONTROLS, compression="zstd") as writer:
        for batch in source.control_batches():
            writer.write_batch(batch.cast(CONTROLS))
            controls += len(batch)
    return replace(record, controls=controls, rejected_controls=source.record().rejected_controls)


def _drawn(source: ExamplesFolder, config: RecastConfig) -> pa.Array:
    """Returns the ids of the passages whose rows stay: those of the smallest draws."""
    ids = sorted({name for batch in source.kept_batches(["passage_id"]) for name in batch["passage_id"].to_pylist()})
    order = np.argsort(mix(text_hashes(ids), config.seed, _STREAM), kind="stable")
    return pa.array([ids[number] for number in order[: config.limit]], pa.string())


def _with_reason(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    reasons = pa.array([BEYOND_LIMIT] * len(batch), pa.string())
    return batch.set_column(schema.get_field_index("reason"), schema.field("reason"), reasons).cast(schema)


def _remade(source: ExamplesFolder, config: RecastConfig, output: Path, place: Place) -> Iterator[pa.Table]:
    """Gives rows of another form; meanwhile the texts of passages lie in a folder inside `output`."""
    with tempfile.TemporaryDirectory(dir=output, prefix="passages-") as folder:
        passages = read_passages(source, Path(folder) / "texts")
        yield from _texts(passages) if config.form is Form.texts else _triplets(source, passages, config, place)


def _texts(passages: TrainedPassages) -> Iterator[pa.Table]:
    """Gives the passages that are trained on, each once."""
    for start in range(0, len(passages.ids), _PASSAGES_AT_ONCE):
        block = slice(start, start + _PASSAGES_AT_ONCE)
        count = len(passages.ids[block])
        columns = {
            "sample_id": np.arange(start, start + count),
            "passage_id": passages.ids[block],
            "document_id": passages.documents[block],
            "text": passages.texts[block],
            "split": ["train"] * count,
            "reason": [""] * count,
            "detail": [""] * count,
        }
        yield pa.table(columns, given_schema(Form.texts))


def _triplets(
    source: ExamplesFolder, passages: TrainedPassages, config: RecastConfig, place: Place
) -> Iterator[pa.Table]:
    """Gives each pair that is trained on with each of its negatives, neighbours far apart in the plan of batches."""
    schema = given_schema(Form.triplets)
    draw = NegativeDraw(passages, config, place)
    for batch in source.kept_batches(given_schema(Form.pairs).names, "train"):
        rows = []
        for row, negatives in zip(batch.to_pylist(), draw.negatives_of(batch), strict=True):
            rows += [{**row, "negative": negative} for negative in negatives]
        yield pa.Table.from_pylist(rows, schema)

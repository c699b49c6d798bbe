"""A step that takes the examples of a share of the training documents; those of held-out documents all stay.

In: a finished examples folder. Out: another one. Whole documents are drawn, by a hash of their id, as if the others had
never been asked about; a larger share holds all documents of a smaller one. Rows are streamed, so that memory does not
grow with them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE, ExamplesFolder, ExamplesRecord
from engine.errors import UserError
from engine.examples.subset.config import SubsetConfig
from engine.text.hashes import mix, text_hashes, uniform

if TYPE_CHECKING:
    from engine.runtime.place import Place

_STREAM = 0x73756273
"""Keeps the draw of documents independent of every other draw."""
_FEWEST_DOCUMENTS = 2
"""With fewer documents no batch has a negative."""


def take_share(
    config: SubsetConfig,
    inputs: Mapping[str, Path],
    output: Path,
    place: Place,  # noqa: ARG001 (it needs nothing of the machine)
) -> ExamplesRecord:
    """Copies the examples of the drawn documents.

    Args:
        config: the share.
        inputs: the finished folder `examples`.
        output: the folder to write into.
        place: where the step runs.

    Raises:
        UserError: kept examples of fewer than two training documents are left.
    """
    started = time.monotonic()
    source = ExamplesFolder(inputs["examples"])
    columns = source.columns()
    trained_on: set[str] = set()
    splits: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for batch in _copied(source.kept_batches(columns.names), output / KEPT_FILE, columns, config):
        splits.update(batch["split"].to_pylist())
        if len(trained_on) < _FEWEST_DOCUMENTS:
            trained_on.update(batch["document_id"].filter(pc.equal(batch["split"], "train")).unique().to_pylist())
    for batch in _copied(source.rejected_batches(columns.names), output / REJECTED_FILE, columns, config):
        rejected.update(batch["reason"].to_pylist())
    if len(trained_on) < _FEWEST_DOCUMENTS:
        what = f"leaves {splits['train']:,} examples of fewer than two documents, too few to train on"
        where, remedy = f"learning_curve.shares={config.share:g}", "leave it out, or plan more samples"
        raise UserError(what, where=where, remedy=remedy)
    return ExamplesRecord(
        kept=splits.total(),
        train=splits["train"],
        validation=splits["validation"],
        rejected=dict(rejected.most_common()),
        seconds={"copy": round(time.monotonic() - started, 3)},
        analyser=source.record().analyser,
    )


def _copied(
    batches: Iterable[pa.RecordBatch], file: Path, columns: pa.Schema, config: SubsetConfig
) -> Iterable[pa.RecordBatch]:
    """Writes the rows that are taken, and gives them batch by batch."""
    with pq.ParquetWriter(file, columns) as writer:
        for batch in batches:
            taken = batch.filter(_is_taken(batch, config))
            writer.write_batch(taken.cast(columns))
            yield taken


def _is_taken(batch: pa.RecordBatch, config: SubsetConfig) -> pa.Array:
    """Tells which rows are taken: those of drawn documents, and all that are held out."""
    documents = batch["document_id"].dictionary_encode()
    draws = uniform(mix(text_hashes(documents.dictionary.to_pylist()), config.seed, _STREAM))
    is_drawn = (draws < config.share)[documents.indices.to_numpy()]
    is_held_out = pc.equal(batch["split"], "validation").to_numpy(zero_copy_only=False)
    return pa.array(np.logical_or(is_drawn, is_held_out))

"""Which rows of a file say something of a model: those whose texts it was not trained on, nor calibrated by.

In: the examples that a model was trained on, and rows of a file that `report.similarity` or `report.labelled` names.
Out: the rows to measure on, and how many were left out. In memory are eight bytes for each text that the model knows.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.artifacts.examples import COUNTED_REASONS, ExamplesFolder
from engine.artifacts.forms import COLUMNS, LABELS, SCORE
from engine.text.groups import Booleans
from engine.text.hashes import Hashes, query_key, text_hashes
from eval.given.rows import HELD_OUT_SPLIT


class TrainedTexts:
    """The texts that a model was trained on. White space and case make no difference.

    Its attribute `left_out` counts the rows that were left out so far.

    Args:
        examples: what it was trained on. Rejected rows count that a teacher may have brought back.
        calibrated: whether the held-out texts count as well, since a classifier's temperature was found on them.
    """

    def __init__(self, examples: Path, *, calibrated: bool = False) -> None:
        folder = ExamplesFolder(examples)
        self._columns = [name for name in COLUMNS[folder.form()] if name not in (SCORE, LABELS)]
        self._calibrated, hashes = calibrated, [np.empty(0, np.uint64)]
        held_out = folder.kept_batches(self._columns, HELD_OUT_SPLIT) if calibrated else ()
        for batch in itertools.chain(folder.training(self._columns, COUNTED_REASONS), held_out):
            hashes += [np.unique(_hashes(batch[name])) for name in self._columns]
        self._hashes: Hashes = np.unique(np.concatenate(hashes))
        self.left_out = 0

    def unseen(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the rows of a batch of which the model knows no text, and counts the others."""
        texts = [batch[name] for name in batch.schema.names if name not in ("document_id", LABELS, SCORE, "sample_id")]
        is_seen: Booleans = np.zeros(len(batch), np.bool_)
        for column in texts:
            is_seen |= np.isin(_hashes(column), self._hashes)
        self.left_out += int(is_seen.sum())
        return batch.filter(pa.array(~is_seen))

    def told(self, key: str) -> str:
        """Says how many rows of the file that a key names were left out; empty where none were."""
        if not self.left_out:
            return ""
        rows = "row has" if self.left_out == 1 else "rows have"
        known = "trained on or calibrated by" if self._calibrated else "trained on"
        return f"{self.left_out:,} {rows} a text that was {known}, and {key} measures without"


def split_of_file(folder: ExamplesFolder) -> str:
    """Returns the split of a file that is measured on: what it holds out itself, or else all of it."""
    return HELD_OUT_SPLIT if folder.record().validation else ""


def _hashes(texts: pa.Array) -> Hashes:
    return text_hashes(list(map(query_key, texts.to_pylist())))

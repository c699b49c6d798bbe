"""Reads the rows that are trained on, and tells what the rows of one batch must not share.

In: a finished examples folder; later the hard negatives of its rows. Out: an Arrow table with a row per example, the
columns of it that a loss reads, and the keys that batches are planned by. It is apart from the step because all are
plain functions of tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.documents import equality_text
from engine.artifacts.forms import COLUMNS, LABELS, NEGATIVE, PASSAGE, QUERY, SCORE, TEXT, Form
from engine.errors import UserError
from engine.text.hashes import Hashes, query_key, text_hashes
from training.batches.columns import TEACHER_SCORES, candidate_columns
from training.batches.keys import RowKeys
from training.losses.combinations import LOSSES
from training.texts import DistinctTexts, Texts

if TYPE_CHECKING:
    from engine.artifacts.examples import ExamplesFolder
    from training.losses.settings import Loss
    from training.negatives import Negatives

_ROWS_AT_ONCE = 1 << 16
"""Rows whose texts are Python strings at a time."""
_RANKED = (Form.pairs, Form.triplets)
"""The forms whose rows are ranked against each other."""
_IDS = ("passage_id", "document_id")


def read_rows(examples: ExamplesFolder, reasons: Sequence[str] = (), folder: Path | None = None) -> pa.Table:
    """Reads the kept examples of split "train": the columns of their form, and of queries passage_id and document_id.

    Behind them stand those that were rejected for one of `reasons`. A passage has many queries, so that its text and
    its ids are held once: these columns are dictionaries, whose values are large strings, as the other texts are.

    Args:
        examples: the finished folder.
        reasons: for which examples were rejected that are read all the same.
        folder: of a disk with room for all texts, which lie there in files without names as long as the rows are used;
            that of the system where there is none.

    Raises:
        UserError: they are of fewer than two documents, so no batch has a negative; or there are fewer than two.
    """
    form = examples.form()
    names = [*COLUMNS[form], *(_IDS if form in _RANKED else ())]
    columns = {name: _KINDS[name](folder) for name in names}
    for batch in examples.training(names, reasons):
        for name, column in columns.items():
            column.add(batch[name])
    rows = pa.table({name: column.whole() for name, column in columns.items()})
    different = len(rows["document_id"].unique()) if form in _RANKED else rows.num_rows
    if different < 2:
        raise too_few_rows(rows)
    return rows


class _Values:
    """A column of numbers or lists, put together of pieces."""

    def __init__(self, folder: Path | None) -> None:  # noqa: ARG002  # numbers are few bytes
        self._pieces: list[pa.Array] = []

    def add(self, values: pa.Array) -> None:
        """Adds the next values."""
        self._pieces.append(values)

    def whole(self) -> pa.Array:
        """Returns the values in one piece; none at all are nulls, whose type nobody reads."""
        return pa.concat_arrays(self._pieces) if self._pieces else pa.nulls(0)


_KINDS: Mapping[str, type[Texts | DistinctTexts | _Values]] = {
    QUERY: Texts,
    TEXT: Texts,
    PASSAGE: DistinctTexts,
    NEGATIVE: DistinctTexts,
    SCORE: _Values,
    LABELS: _Values,
    **dict.fromkeys(_IDS, DistinctTexts),
}


def held_out_documents(examples: ExamplesFolder) -> frozenset[str]:
    """Returns the ids of the documents of split "validation", those whose examples were all rejected included.

    The report ranks queries of these documents to tell whether the tuned model is better, so that nothing of them may
    be trained on.
    """
    both = (read(["document_id"], "validation") for read in (examples.kept_batches, examples.rejected_batches))
    return frozenset(document for batches in both for batch in batches for document in _distinct(batch))


def _distinct(batch: pa.RecordBatch) -> list[str]:
    documents: list[str] = batch["document_id"].unique().to_pylist()
    return documents


def row_keys(rows: pa.Table, negatives: Negatives) -> RowKeys:
    """Returns what the rows of a batch must not share; white space, and the case of a query, make no difference.

    Rows that are not ranked against each other (graded, labelled and plain texts) may share anything.
    """
    if "document_id" not in rows.column_names:
        return RowKeys.without_rules(rows.num_rows)
    return RowKeys(
        passages=_hashes(rows["passage"], _on_one_line),
        documents=_hashes(rows["document_id"]),
        queries=_hashes(rows["query"], query_key),
        negatives=negatives.documents,
        negative_passages=_negative_passages(rows, negatives),
    )


def _negative_passages(rows: pa.Table, negatives: Negatives) -> Hashes:
    """Returns the hashes of all that each query is ranked against on its own account: negatives and candidates."""
    names = [NEGATIVE] if NEGATIVE in rows.column_names else []
    names += candidate_columns(rows.column_names)[1:]
    columns = [_hashes(rows[name], _on_one_line)[:, None] for name in names]
    if negatives.numbers.size:
        columns.append(_hashes(pa.chunked_array([negatives.texts]), _on_one_line)[negatives.numbers])
    return np.concatenate(columns, axis=1) if columns else np.empty((0, 0), np.uint64)


def _on_one_line(passage: str) -> str:
    """Returns what is the same in passages that count as equal, of a passage as the encoder reads it."""
    return equality_text("", passage)


def _hashes(column: pa.ChunkedArray, normal_form: Callable[[str], str] = str) -> Hashes:
    """Returns the hash of each text of a column, as it is or in a normal form, (rows,)."""
    return np.concatenate([np.empty(0, np.uint64), *_hashed_pieces(column, normal_form)])


def _hashed_pieces(column: pa.ChunkedArray, normal_form: Callable[[str], str]) -> Iterator[Hashes]:
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            yield _hashes(pa.chunked_array([chunk.dictionary]), normal_form)[chunk.indices.to_numpy()]
            continue
        for start in range(0, len(chunk), _ROWS_AT_ONCE):
            yield text_hashes([normal_form(text) for text in chunk[start : start + _ROWS_AT_ONCE].to_pylist()])


def columns_for_training(rows: pa.Table, negatives: Negatives, loss: Loss) -> pa.Table:
    """Returns the columns that a loss reads, in its order: texts, and what there is to learn about them last.

    They are query, passage, negative, negative_0 ...; query, passage, score; text, labels; text; or, for a loss that
    learns from a teacher, query, candidate_0 ..., teacher_scores.

    Args:
        rows: the training rows.
        negatives: the mined negatives.
        loss: what is minimised; never `auto`.
    """
    held = rows.column_names
    if LOSSES[loss].needs_teacher:
        return rows.select([QUERY, *candidate_columns(held), TEACHER_SCORES])
    columns = rows.select([name for name in (QUERY, PASSAGE, NEGATIVE, TEXT) if name in held])
    for name, column in negatives.columns().items():
        columns = columns.append_column(name, column)
    for name in (SCORE, LABELS):
        if name in held:
            columns = columns.append_column(name, rows[name])
    return columns


def too_few_rows(rows: pa.Table) -> UserError:
    """Returns the error for a collection that gives no batch of two rows."""
    if "document_id" not in rows.column_names:
        what, remedy = f"{rows.num_rows} training examples are too few to train on", "give more examples"
        return UserError(what, where="examples/kept.parquet", remedy=remedy)
    num_documents = len(rows["document_id"].unique())
    return UserError(
        f"{rows.num_rows} training examples of {num_documents} documents are too few to train on",
        where="examples/kept.parquet",
        remedy="give more documents, or lower examples.validation_share; where examples are generated, also plan more "
        "samples, or loosen their filters",
    )

"""Reads the rows that are trained on, and tells what the rows of one batch must not share.

In: a finished examples folder; later the hard negatives of its rows. Out: an Arrow table with a row per example, and
the keys that batches are planned by. It is apart from the step because both are plain functions of tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from engine.errors import UserError
from training.batches.plan import RowKeys

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.artifacts.examples import ExamplesFolder
    from training.negatives import Negatives

_COLUMNS = ("query", "passage", "passage_id", "document_id")


def read_rows(examples: ExamplesFolder) -> pa.Table:
    """Reads the kept examples of split "train": columns query, passage, passage_id and document_id.

    Raises:
        UserError: they are of fewer than two documents, so no batch has a negative.
    """
    rows = examples.kept(_COLUMNS, split="train").combine_chunks()
    if len(rows["document_id"].unique()) < 2:
        raise too_few_rows(rows)
    return rows


def held_out_documents(examples: ExamplesFolder) -> frozenset[str]:
    """Returns the ids of the documents of split "validation", those whose examples were all rejected included.

    The report ranks queries of these documents to tell whether the tuned model is better, so that nothing of them may
    be trained on.
    """
    columns = ["document_id", "split"]
    tables = [examples.kept(columns), examples.rejected(columns)]
    held_out = [table.filter(pc.equal(table["split"], "validation"))["document_id"] for table in tables]
    return frozenset(document for column in held_out for document in column.unique().to_pylist())


def row_keys(rows: pa.Table, negatives: Negatives) -> RowKeys:
    """Returns what the rows of a batch must not share; a query counts without its case and its spacing."""
    return RowKeys(
        passages=rows["passage"].to_pylist(),
        documents=rows["document_id"].to_pylist(),
        queries=[" ".join(query.casefold().split()) for query in rows["query"].to_pylist()],
        negatives=negatives.documents,
        negative_passages=negatives.texts,
    )


def columns_for_training(rows: pa.Table, negatives: Negatives) -> pa.Table:
    """Returns the columns that the loss reads, all of them texts: query, passage, negative_0, negative_1 ..."""
    texts = rows.select(["query", "passage"])
    for name, column in negatives.columns().items():
        texts = texts.append_column(name, column)
    return texts


def too_few_rows(rows: pa.Table) -> UserError:
    """Returns the error for a collection that gives no batch of two rows."""
    num_documents = len(rows["document_id"].unique())
    return UserError(
        f"{rows.num_rows} training examples of {num_documents} documents are too few to train on",
        where="examples/kept.parquet",
        remedy="give more documents, plan more samples, or loosen the filters of examples",
    )

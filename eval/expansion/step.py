"""The queries of a report as rows, so that a model can be asked about them as about the rows of any file.

In: documents, prompts and examples. Out: a rows folder with the column `query`, whose ids are those of
`eval.asking.queries.query_id`. The plan and the answers are made by the same steps as those of batch inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.artifacts.pairs import query_id
from engine.artifacts.rows import RowsFolder, RowsRecord
from engine.errors import UserError
from eval.asking.config import AskedQueries
from eval.asking.queries import read_queries

if TYPE_CHECKING:
    from engine.runtime.place import Place

COLUMN = "query"


def write_queries(
    config: AskedQueries,
    inputs: Mapping[str, Path],
    output: Path,
    place: Place,  # noqa: ARG001 (every step is given one)
) -> RowsRecord:
    """Writes the queries that the report will search.

    Args:
        config: which queries.
        inputs: the finished folders `documents`, `prompts` and `examples`.
        output: becomes a rows folder.
        place: where the step runs.

    Raises:
        UserError: there is no query to ask about.
    """
    queries = read_queries(config, inputs)
    if not queries:
        remedy = "leave report.expand out, or raise examples.validation_share so that documents are held out"
        raise UserError("the report has no query to expand", where="report.expand", remedy=remedy)
    with RowsFolder(output).writer() as writer:
        writer.add(list(map(query_id, queries)), pa.table({COLUMN: pa.array(queries, pa.large_string())}))
    return RowsRecord(len(queries), [COLUMN], [])

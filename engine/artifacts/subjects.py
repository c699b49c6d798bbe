"""What the rows of a plan are about: passages of a documents folder, or rows of a rows folder.

In: the folders that a step was given. Out: something that appends to rows of a plan the columns that their prompts are
made from. Whoever generates, previews or takes samples over asks here, and need not know which of the two it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.rows import RowsFolder
from engine.task.turns import row_columns


class Subjects(Protocol):
    """What planned rows are about."""

    @property
    def rows_at_once(self) -> int:
        """Returns how many planned rows are joined at a time, so that texts fit into memory; 0: any number."""

    def join(self, planned: pa.Table) -> pa.Table:
        """Appends to rows of a plan what `planned_rows` needs.

        Raises:
            BrokenInvariantError: the plan names a `passage_id` that is not there.
        """

    @property
    def file(self) -> Path:
        """Returns the file whose content decides what is joined."""


def open_subjects(inputs: Mapping[str, Path], prompts: PromptsFolder) -> Subjects:
    """Opens what a plan is about.

    Args:
        inputs: the folders of a step: the rows, or else the documents.
        prompts: the plan, whose task says which columns of rows are needed.
    """
    if "rows" in inputs:
        in_order = RowsFolder(prompts.path)  # the same rows in the order of the plan, where that is another
        rows = in_order if in_order.file.exists() else RowsFolder(inputs["rows"])
        return rows.joinable(row_columns(prompts.prompts().compile().turns.values()))
    return DocumentsFolder(inputs["documents"]).joinable()

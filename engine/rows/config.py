"""The settings of the rows step: which file, what names its rows, and how each is asked.

In: what `prompts.*` says of a file of prompts. Out: a frozen config that the pipeline makes, whose identity holds what
the files contain and not where they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.rows.source import Kind, Source, find_source
from engine.runtime.identity import fields_of
from engine.storage.digests import file_digests, listing_digest


@dataclass(frozen=True)
class RowsConfig:
    """Which rows are read, and what of them is a setting."""

    path: str
    """A file of prompts, or a folder of such files."""
    id_field: str = ""
    """The field of a row's id; empty: ids are made from the content."""
    sampling: Sequence[str] = ()
    """Columns that set how the answer of their row is drawn, where there are any."""
    asks_rows: bool = False
    """Whether the rows themselves say what is asked, so that each has to have a prompt or each a chat."""

    def source(self) -> Source:
        """Finds the files.

        Raises:
            UserError: there are none.
        """
        return find_source(self.path)

    def identity(self) -> dict[str, object]:
        """Returns the fields that change the rows, with what the files hold in place of the path."""
        source = self.source()
        if source.kind is Kind.texts:  # whose names are a column
            root = source.path.parent if source.path.is_file() else source.path
            return fields_of(self) | {"path": listing_digest(root, source.files)}
        return fields_of(self) | {"path": file_digests(source.files), "kind": source.kind.name}

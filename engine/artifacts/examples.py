"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def read_examples(folder: Path) -> tuple[pa.Table, pa.Table]:
    """The kept and the rejected examples of a finished examples folder."""
    import pyarrow.parquet as pq

    return pq.read_table(folder / "kept.parquet"), pq.read_table(folder / "rejected.parquet")

"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PASSAGES_FILE = "passages.parquet"


FAILED_FILE = "failed.parquet"


def passage_text(title: str, text: str) -> str:
    """What an encoder, BM25 and the trainer read of a passage: its title, if it has one, on a line of its own."""
    return f"{title}\n{text}" if title else text


def read_passages(documents: Path) -> pa.Table:
    """Ids, titles and texts, each column in one piece, so that taking a few rows costs no more than those rows."""
    table = pq.read_table(documents / "passages.parquet", columns=["passage_id", "title", "text"])
    # 64-bit offsets: a large collection does not fit one piece with 32-bit ones.
    large = table.select(["title", "text"]).cast(pa.schema([("title", pa.large_string()), ("text", pa.large_string())]))
    return pa.table(
        {"passage_id": table["passage_id"], **{name: large[name] for name in large.column_names}}
    ).combine_chunks()

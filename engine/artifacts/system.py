"""What a finished system folder holds: the search that a run settled on, for use without this project.

    system.json                  how it searches: weights, encoder, analyser, figures of the report
    search.py, README.md         how to search with it, here and in search engines
    encoder/, faiss.index        the model and the vectors of the passages; absent where words alone are searched
    bm25/                        the index of words; absent where they count nothing
    reranker/                    a cross-encoder; absent where none was set
    passages.jsonl, offsets.npy  the passages, and where each begins

In: the folder. Out: its record, its settings, and where its parts lie. Row i of every file is the same passage. Rows
are in the order of equal scores, the greatest id first (`engine.search.order.rows_by_id`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.storage.store import read_record
from engine.storage.typed import from_json_values


@dataclass(frozen=True)
class SystemRecord:
    """What was handed over."""

    passages: int
    dimensions: int
    """The length of a passage's vector; 0 without an encoder."""
    terms: int
    """The number of different terms that BM25 knows; 0 without words."""
    system: str
    """The name that the report gives to the system, such as `base_words`."""
    weight: float
    """The weight of words."""
    reranker: str = ""
    """The cross-encoder that orders the first passages once more; empty where none does."""


@dataclass(frozen=True)
class SystemFolder:
    """A system folder."""

    path: Path

    def record(self) -> SystemRecord:
        """Reads what the step recorded."""
        return from_json_values(SystemRecord, read_record(self.path).record)

    def settings(self) -> dict[str, Any]:
        """Reads system.json."""
        settings: dict[str, Any] = json.loads(self.settings_file.read_text(encoding="utf-8"))
        return settings

    @property
    def settings_file(self) -> Path:
        """The file that says how the system searches."""
        return self.path / "system.json"

    @property
    def search_file(self) -> Path:
        """The program that searches."""
        return self.path / "search.py"

    @property
    def readme_file(self) -> Path:
        """The explanation for people."""
        return self.path / "README.md"

    @property
    def encoder(self) -> Path:
        """The folder of the model."""
        return self.path / "encoder"

    @property
    def vectors_file(self) -> Path:
        """The vectors of the passages as an index of faiss."""
        return self.path / "faiss.index"

    @property
    def bm25(self) -> Path:
        """The folder of the index of words, as bm25s saves it."""
        return self.path / "bm25"

    @property
    def reranker(self) -> Path:
        """The folder of the cross-encoder."""
        return self.path / "reranker"

    @property
    def passages_file(self) -> Path:
        """The passages, one JSON object per line."""
        return self.path / "passages.jsonl"

    @property
    def offsets_file(self) -> Path:
        """The bytes at which the passages begin and the last one ends, int64 (passages + 1,)."""
        return self.path / "offsets.npy"

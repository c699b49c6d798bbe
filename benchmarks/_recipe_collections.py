"""The collections of benchmarks/recipes.py as files that a machine with a GPU can read alone.

In: passages, queries, and BM25's weights of words. Out: one file of numpy, and back. Scores of words are a product of
matrices. It needs numpy alone, and torch for that product.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sparse:
    """A matrix of few numbers, (rows, columns), in rows."""

    starts: Rows
    columns: Rows
    values: Floats
    width: int

    def dense(self, device: str) -> Any:
        """Returns it as a torch tensor, float32."""
        import torch

        rows = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        matrix = torch.zeros((len(self.starts) - 1, self.width), device=device)
        at = (torch.from_numpy(rows).to(device), torch.from_numpy(self.columns).to(device))
        matrix.index_put_(at, torch.from_numpy(self.values).to(device), accumulate=True)
        return matrix


@dataclass(frozen=True)
class Queries:
    """Queries with the words of each, counted."""

    texts: list[str]
    words: Sparse


@dataclass(frozen=True)
class Packed:
    """A collection with what a generator wrote about it.

    Attributes:
        name: as tables have it.
        titles: of the n passages, possibly empty.
        passages: their texts without titles.
        documents: number of the document of each passage, (n,).
        words: what BM25 counts of each word in each passage.
        written: synthetic queries that passed the filters of rows, about any passage.
        sources: the passage that each was written from.
        kept: which of them the round trip kept.
        held_out: which of them are about documents that nothing is trained on.
        information: what the passage tells about the query, in nats; NaN where it was not asked.
        judged: queries of people.
        qrels: for each of them, number of a document -> grade.
    """

    name: str
    titles: list[str]
    passages: list[str]
    documents: Rows
    words: Sparse
    written: Queries
    sources: Rows
    kept: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]
    information: Floats
    judged: Queries
    qrels: list[dict[int, int]]

    @cached_property
    def texts(self) -> list[str]:
        """Returns what encoders read of each passage."""
        return [f"{title}\n{text}" if title else text for title, text in zip(self.titles, self.passages, strict=True)]


_MATRICES = ("words", "written", "judged")


def save(packed: Packed, file: Path) -> None:
    """Writes a collection as one compressed file of numpy."""
    arrays: dict[str, Any] = {name: getattr(packed, name) for name in ("documents", "sources", "kept", "held_out")}
    arrays["information"] = packed.information
    matrices = dict(zip(_MATRICES, (packed.words, packed.written.words, packed.judged.words), strict=True))
    for name, matrix in matrices.items():
        arrays |= {f"{name}_starts": matrix.starts, f"{name}_columns": matrix.columns.astype(np.int32)}
        arrays[f"{name}_values"] = matrix.values
    texts = {
        "name": packed.name,
        "titles": packed.titles,
        "passages": packed.passages,
        "written": packed.written.texts,
        "judged": packed.judged.texts,
        "qrels": [list(judged.items()) for judged in packed.qrels],
        "width": packed.words.width,
    }
    arrays["texts"] = np.frombuffer(json.dumps(texts).encode(), np.uint8)
    np.savez_compressed(file, **arrays)


def load(file: Path) -> Packed:
    """Reads a collection that `save` wrote."""
    with np.load(file) as arrays:
        texts = json.loads(arrays["texts"].tobytes())
        matrices = [
            Sparse(
                arrays[f"{name}_starts"],
                arrays[f"{name}_columns"].astype(np.int64),
                arrays[f"{name}_values"],
                texts["width"],
            )
            for name in _MATRICES
        ]
        return Packed(
            name=texts["name"],
            titles=texts["titles"],
            passages=texts["passages"],
            documents=arrays["documents"],
            words=matrices[0],
            written=Queries(texts["written"], matrices[1]),
            sources=arrays["sources"],
            kept=arrays["kept"],
            held_out=arrays["held_out"],
            information=arrays["information"],
            judged=Queries(texts["judged"], matrices[2]),
            qrels=[{int(document): grade for document, grade in judged} for judged in texts["qrels"]],
        )

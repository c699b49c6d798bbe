"""Which model encodes the passages of a model that treats queries and passages differently.

In: the folder of a model whose queries go through a layer more (`training/families/adapter.py`). Out: the digest of the
model below that layer. Passages have the same vectors from both, bit by bit, so that those in the cache serve both.
"""

from __future__ import annotations

from pathlib import Path

_FILE = "passages_as.txt"


def write_passage_model(folder: Path, digest: str) -> None:
    """Notes in a model's folder which model gives its passages the same vectors.

    Args:
        folder: of the model.
        digest: what `model_digest` says of the other one.
    """
    (folder / _FILE).write_text(f"{digest}\n", encoding="utf-8")


def passage_model(folder: Path, digest: str) -> str:
    """Returns what identifies the weights that encode a model's passages.

    Args:
        folder: of the model.
        digest: its own, which is the answer where nothing is noted.
    """
    file = folder / _FILE
    return file.read_text(encoding="utf-8").strip() if file.is_file() else digest

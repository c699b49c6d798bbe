"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.artifacts.documents import passage_text
from engine.runtime.identity import source_hash
from engine.search.encoder import Encoder, EncoderConfig, Vectors
from engine.storage.digests import digest
from engine.storage.files import locked, require_space

if TYPE_CHECKING:
    from engine.runtime.place import Place


@dataclass(frozen=True)
class PassageEmbeddings:
    """The vectors of a collection's passages, in the order of passages.parquet."""

    ids: list[str]
    vectors: Vectors
    """float32 (passages, dim), L2-normalised; a read-only memory map."""


def encode_passages_cached(config: EncoderConfig, documents_folder: Path, place: Place) -> PassageEmbeddings:
    """The passages of a finished documents step as vectors, encoded by whoever asks first.

    Args:
        config: the encoder; its query prefix changes nothing here.
        documents_folder: the step's folder in the store, or a run's link to it: named by its fingerprint.
        place: where the cache and the console are.
    """
    folder = place.embeddings / f"{documents_folder.resolve().name}-{_cache_key(config)}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / f".{folder.name}.lock", wait=True):
            if not folder.is_dir():
                temporary = folder.parent / f".{folder.name}.tmp"
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir()
                _write_embeddings(config, documents_folder, temporary, place)
                temporary.replace(folder)
    return _read_embeddings(folder)


def _cache_key(config: EncoderConfig) -> str:
    own = {name: value for name, value in config.identity().items() if name != "query_prefix"}
    return digest([own, source_hash(__name__)])


def _write_embeddings(config: EncoderConfig, documents_folder: Path, folder: Path, place: Place) -> None:
    import numpy as np
    import pyarrow.parquet as pq

    encoder = Encoder(config, num_threads=place.num_cpus)
    with pq.ParquetFile(documents_folder / "passages.parquet") as file:
        total = file.metadata.num_rows
        require_space(folder, 4 * total * encoder.dim)
        shape, ids = (total, encoder.dim), list[str]()
        new: Any = np.lib.format.open_memmap  # numpy left it without annotations
        vectors = new(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
        with place.console.progress("encoding", total, "passages") as bar:
            for rows in file.iter_batches(16_384, columns=["passage_id", "title", "text"]):
                columns = rows.to_pydict()
                texts = [passage_text(*pair) for pair in zip(columns["title"], columns["text"], strict=True)]
                vectors[len(ids) : len(ids) + len(texts)] = encoder.encode_passages(texts, bar.advance)
                ids.extend(columns["passage_id"])
    vectors.flush()
    (folder / "ids.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")


def _read_embeddings(folder: Path) -> PassageEmbeddings:
    import numpy as np

    ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
    return PassageEmbeddings(ids=ids, vectors=np.load(folder / "vectors.npy", mmap_mode="r"))

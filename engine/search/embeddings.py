"""The vectors of a collection's passages, encoded once and shared by all runs.

In: an encoder's config and a finished documents folder. Out: ids and vectors in the order of the passages. The cache
has one file of vectors per (documents, encoder), named by the fingerprint of the one and the identity of the other, so
neither a moved folder nor a setting of speed encodes anything again. Ids are read from the documents themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.models.precision import Device
from engine.models.resolve import resolve_model
from engine.runtime.identity import source_hash
from engine.search.encoder import Encoder, EncoderConfig, encoding_device
from engine.search.order import Vectors
from engine.search.passage_model import passage_model
from engine.storage.digests import digest
from engine.storage.files import locked, require_space

if TYPE_CHECKING:
    from engine.runtime.place import Place

_BATCH_PASSAGES = 16_384
"""The passages whose texts are in memory at a time."""
_LIBRARIES = ("torch", "sentence-transformers", "transformers")
"""The libraries that tokenize and compute; another version may give other vectors."""


@dataclass(frozen=True)
class PassageEmbeddings:
    """The vectors of a collection's passages, in the order of passages.parquet."""

    ids: list[str]
    """The `passage_id` of each row of `vectors`."""
    vectors: Vectors
    """float32 (passages, dim), as `Encoder.encode_passages` gives them; a read-only memory map."""


def encode_passages_cached(config: EncoderConfig, documents_folder: Path, place: Place) -> PassageEmbeddings:
    """Returns the passages of a finished documents step as vectors; the first run that needs them encodes them.

    Args:
        config: the encoder; its query prefix changes nothing here.
        documents_folder: the step's folder in the store, or a run's link to it: named by its fingerprint.
        place: where the cache and the console are.

    Raises:
        UserError: the model cannot be loaded, or the disk has no room for the vectors.
    """
    documents = DocumentsFolder(documents_folder)
    ids: list[str] = documents.passages(["passage_id"])["passage_id"].to_pylist()
    device = encoding_device(place)
    file = place.embeddings / f"{documents_folder.resolve().name}-{_encoder_key(config, device)}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with locked(file.with_name(f".{file.name}.lock"), wait=True):
            if not file.exists():  # another run may have encoded them while this one waited
                temporary = file.with_name(f".{file.name}.tmp")
                encoder = Encoder(config, device=device, num_threads=place.num_cpus)
                _write_vectors(encoder, documents, len(ids), temporary, place)
                temporary.replace(file)
    vectors: Vectors = np.load(file, mmap_mode="r")
    assert len(vectors) == len(ids), f"{file} has {len(vectors)} vectors for {len(ids)} passages"
    return PassageEmbeddings(ids, vectors)


def _encoder_key(config: EncoderConfig, device: Device) -> str:
    """Hashes everything that changes a passage's vector.

    That is the identity of the encoder, as far as it encodes passages, what `auto` precision means on the device, the
    sources that encode, and the versions of the libraries that they call.
    """
    fields = {name: value for name, value in config.identity().items() if name != "query_prefix"}
    folder = resolve_model(config.model, key=config.key("model"))
    fields["model"] = passage_model(folder, str(fields["model"]))
    fields["precision"] = config.computed_precision(device).value
    return digest([fields, source_hash(__name__), {name: version(name) for name in _LIBRARIES}])


def _write_vectors(encoder: Encoder, documents: DocumentsFolder, num_passages: int, file: Path, place: Place) -> None:
    """Encodes all passages into one file, which is whole when this returns."""
    require_space(file.parent, 4 * num_passages * encoder.dim)
    open_memmap: Any = np.lib.format.open_memmap  # numpy left it without annotations
    vectors = open_memmap(file, mode="w+", dtype=np.float32, shape=(num_passages, encoder.dim))
    start = 0
    with place.console.progress("encoding", num_passages, "passages") as bar:
        for batch in documents.stream(["title", "text"], _BATCH_PASSAGES):
            texts = list(map(passage_text, batch["title"].to_pylist(), batch["text"].to_pylist()))
            vectors[start : start + len(texts)] = encoder.encode_passages(texts, bar.advance)
            start += len(texts)
    vectors.flush()

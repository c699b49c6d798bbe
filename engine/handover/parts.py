"""The parts of a system folder, by words, by meaning and the reranker: built as the report built them, and written.

In: the report's settings, and finished folders. Out: the files of each part, and what searches with it here. Vectors
and the index of words come from the cache, where the report has put them. Their rows are written in the order of equal
scores (`engine.search.order.rows_by_id`), so that whoever searches the files needs no ids to settle a tie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.artifacts.system import SystemFolder
from engine.handover.chosen import Chosen
from engine.handover.config import reranker_config
from engine.handover.encoder import write_cross_encoder, write_encoder
from engine.models.names import public_name
from engine.models.resolve import resolve_model
from engine.search.analyser import Analyser, language_of
from engine.search.bm25_cached import Bm25Parameters, index_words_cached
from engine.search.cross_encoder import TRAINED
from engine.search.dense import DenseIndex, write_flat_index
from engine.search.encoder import EncoderConfig
from engine.search.named_models import load_named_cross_encoder, load_named_encoder, vectors_by
from engine.search.order import rows_by_id
from engine.search.systems import Bm25System, DenseSystem
from engine.search.tuned import reported_tuned_encoder
from engine.search.usage import Usage
from engine.storage.typed import from_json_values

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.bm25 import Bm25Index
    from engine.search.encoder import Encoder
    from engine.search.order import Vectors

_KEY = "report.encoder.model"
"""The config key that named the base model, for messages."""


@dataclass(frozen=True)
class Words:
    """Search by words."""

    k1: float
    b: float
    analyser: Analyser
    index: Bm25Index

    @property
    def num_terms(self) -> int:
        """Returns the number of different terms of all passages."""
        return len(self.index.vocabulary)

    def system(self) -> Bm25System:
        """Returns what searches here."""
        return Bm25System(self.index)


@dataclass(frozen=True)
class Meaning:
    """Search by vectors."""

    model: str
    """The encoder: base or tuned."""
    encoder: Encoder
    ids: Sequence[str]
    vectors: Vectors
    """float32 (passages, dim); a memory map."""

    def system(self) -> DenseSystem:
        """Returns what searches here; it brings all vectors into memory."""
        return DenseSystem(self.model, self.encoder, DenseIndex(self.ids, self.vectors))


@dataclass(frozen=True)
class Reranker:
    """What orders the first passages once more."""

    name: str
    """What others are told of it: of a folder the last part of its path."""
    depth: int
    """The number of passages that it orders."""
    max_tokens: int
    """A pair is cut after so many tokens."""


def write_words(report: Mapping[str, Any], documents: Path, folder: SystemFolder, place: Place) -> Words:
    """Writes the index of words; nothing is written where no passage has a word.

    Args:
        report: report.json, whose settings of BM25 are taken.
        documents: the finished folder of the passages.
        folder: where to.
        place: where the cache is, which has the index since the report searched by it.
    """
    bm25 = report["settings"]["bm25"]
    analyser = Analyser(language_of(bm25.get("analyser", "")))
    index = index_words_cached(documents, analyser, place, Bm25Parameters(bm25["k1"], bm25["b"]))
    if index.vocabulary:
        index.reordered(rows_by_id(index.ids)).save(folder.bm25)
    return Words(bm25["k1"], bm25["b"], analyser, index)


def write_meaning(
    report: Mapping[str, Any], inputs: Mapping[str, Path], model: str, folder: SystemFolder, place: Place
) -> Meaning:
    """Writes the encoder and the vectors of the passages.

    Args:
        report: report.json, whose settings of the encoder are taken.
        inputs: the finished folders `documents` and `model`.
        model: base or tuned.
        folder: where to.
        place: where the cache is.
    """
    config = from_json_values(EncoderConfig, report["settings"]["encoder"])
    if model == "tuned":
        reported = report["settings"].get("tuned")
        usage = from_json_values(Usage, reported) if reported else None
        config = reported_tuned_encoder(config, usage, inputs["model"])
    passages = vectors_by(model, config, inputs["documents"], place)
    encoder = load_named_encoder(model, config, place)
    write_encoder(resolve_model(config.model, key=_KEY), encoder, folder.encoder)
    write_flat_index(passages.vectors, rows_by_id(passages.ids), folder.vectors_file)
    return Meaning(model, encoder, passages.ids, passages.vectors)


def write_reranker(chosen: Chosen, trained: Path | None, folder: SystemFolder, place: Place) -> Reranker:
    """Writes a cross-encoder.

    Args:
        chosen: which one, and the number of passages that it orders.
        trained: the folder of the one that the run trained; None where it trained none.
        folder: where to.
        place: where the step runs.
    """
    if chosen.reranker == TRAINED:
        assert trained is not None, "a report recommends what was trained, and the pipeline refuses to name another"
        config, name = reranker_config(str(trained)), "the cross-encoder that the run trained"
    else:
        config, name = reranker_config(chosen.reranker), public_name(chosen.reranker)
    max_tokens = load_named_cross_encoder(config, place).max_tokens
    write_cross_encoder(resolve_model(config.model, key=config.key), max_tokens, folder.reranker)
    return Reranker(name, chosen.depth, max_tokens)

"""The systems that a report without documents compares, and those of a run whose model is a cross-encoder.

In: the settings of the report, a model, and passages: those of held-out pairs, or all of a documents folder. Out: BM25,
base, tuned where it is an encoder, base and tuned half and half with words, and what rerankers make of them. A tuned
cross-encoder orders what base and words find.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.search.systems import Bm25System, DenseSystem, System
from engine.search.tuned import tuned_encoder
from eval.config import FUSIONS_KEY, RERANKERS_KEY
from eval.entries import RerankerEntry
from eval.evaluation import analyser_of
from eval.fusions import fused_system, half_words
from eval.systems import dense_system, reranked_systems

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.encoder import Encoder
    from eval.config import ReportConfig
    from eval.retrieval.corpus import Corpus

BI_ENCODER, CROSS_ENCODER, CLASSIFIER, ADAPTER = "bi_encoder", "cross_encoder", "classifier", "adapter"
"""The families of models, as the record of a model step names them."""
ENCODERS = (BI_ENCODER, ADAPTER)
"""The families whose models make vectors."""
TUNED_DEPTHS = (30, 100)
"""How many passages a tuned cross-encoder is given; each is a system."""


@dataclass(frozen=True)
class TunedModel:
    """The model that was trained.

    Attributes:
        folder: the finished folder.
        family: one of the families of models.
    """

    folder: Path
    family: str

    @property
    def is_encoder(self) -> bool:
        """Tells whether it makes vectors of texts."""
        return self.family in ENCODERS


def systems_of_passages(
    config: ReportConfig, model: TunedModel, corpus: Corpus, encoders: Mapping[str, Encoder], place: Place
) -> list[System]:
    """Builds all systems over passages in memory.

    Args:
        config: the settings of BM25 and of rerankers.
        model: what was trained.
        corpus: the passages.
        encoders: base, and tuned where it makes vectors, loaded.
        place: where the step runs.
    """
    from engine.search.bm25 import Bm25Index
    from engine.search.dense import DenseIndex

    texts, terms = corpus.encoded_texts(), analyser_of(config, corpus, place).terms
    index = Bm25Index(corpus.passage_ids, texts, k1=config.bm25_k1, b=config.bm25_b, terms_of=terms)
    parts: dict[str, System] = {"bm25": Bm25System(index)}
    for name, encoder in encoders.items():
        parts[name] = DenseSystem(name, encoder, DenseIndex(corpus.passage_ids, encoder.encode_passages(texts)))
    return _with_rerankers(config, model, corpus, parts, place)


def systems_of_documents(
    config: ReportConfig, model: TunedModel, corpus: Corpus, documents: Path, place: Place
) -> list[System]:
    """Builds all systems over the passages of a finished documents folder, whose vectors are kept in the cache."""
    from engine.search.bm25_cached import Bm25Parameters, index_words_cached

    analyser = analyser_of(config, corpus, place)
    parameters = Bm25Parameters(config.bm25_k1, config.bm25_b)
    parts: dict[str, System] = {"bm25": Bm25System(index_words_cached(documents, analyser, place, parameters))}
    parts["base"] = dense_system("base", config.encoder, documents, place)
    if model.is_encoder:
        parts["tuned"] = dense_system("tuned", tuned_encoder(config.encoder, model.folder), documents, place)
    return _with_rerankers(config, model, corpus, parts, place)


def _with_rerankers(
    config: ReportConfig, model: TunedModel, corpus: Corpus, parts: Mapping[str, System], place: Place
) -> list[System]:
    """Adds to the parts each encoder half and half with words, and what rerankers make of what is found."""
    ranks = corpus.ranks_of_ids
    fused = [fused_system(half_words(name), parts, ranks, FUSIONS_KEY) for name in parts if name != "bm25"]
    systems = [*parts.values(), *fused]
    entries = config.reranker_entries()
    if model.family == CROSS_ENCODER:
        tuned = RerankerEntry(str(model.folder), first=half_words("base"), depths=TUNED_DEPTHS)
        entries["tuned"] = tuned
    for name, entry in entries.items():
        first = fused_system(entry.first, parts, ranks, RERANKERS_KEY)
        known = next((system for system in systems if system.name == first.name), None)
        if known is None:
            systems.append(first)
        systems += reranked_systems(name, entry, known or first, corpus, place)
    return systems

"""The systems that a report compares, by name: BM25, base and tuned.

In: the settings of the report, and the folders of the other steps. Out: systems over all passages, under unique names
that `describe` puts into words. It is the only module of this package that makes encoders and indexes, so that every
other one can be tested without a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.search.systems import Bm25System, DenseSystem, System
from eval.report import with_words

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.analyser import Analyser
    from engine.search.encoder import EncoderConfig
    from eval.config import ReportConfig
    from eval.retrieval.corpus import Corpus

_WORDS = {"bm25": "BM25"} | {with_words(model): f"{model} + words" for model in ("base", "tuned")}
"""The words for names that do not say it themselves."""


def describe(name: str) -> str:
    """Puts the name of a system into the words of a table."""
    return _WORDS.get(name, name)


def build_systems(
    config: ReportConfig, inputs: Mapping[str, Path], corpus: Corpus, analyser: Analyser, place: Place
) -> list[System]:
    """Builds the systems BM25, base and tuned over all passages, in the order of `corpus.SYSTEMS`."""
    from engine.search.bm25 import Bm25Index

    texts, k1, b = corpus.encoded_texts(), config.bm25_k1, config.bm25_b
    bm25 = Bm25Index(corpus.passage_ids, texts, k1=k1, b=b, terms_of=analyser.terms)
    dense = {"base": config.encoder, "tuned": tuned_encoder(config.encoder, inputs["model"])}
    return [
        Bm25System(bm25),
        *(dense_system(name, encoder, inputs["documents"], place) for name, encoder in dense.items()),
    ]


def dense_system(name: str, config: EncoderConfig, documents: Path, place: Place) -> DenseSystem:
    """Builds a model that searches the passages of a documents folder, encoded now or found in the cache."""
    from engine.search.dense import DenseIndex
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import load_encoder

    passages = encode_passages_cached(config, documents, place)
    return DenseSystem(name, load_encoder(config, place), DenseIndex(passages.ids, passages.vectors))


def tuned_encoder(base: EncoderConfig, model: Path) -> EncoderConfig:
    """Returns the settings of the base encoder with the folder of the tuned model."""
    return replace(base, model=str(model))

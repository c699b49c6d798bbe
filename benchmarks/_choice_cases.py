"""The collections of benchmarks/choice.py, real ones and made ones, each with its two systems.

In: finished runs whose collection has judged questions, or questions in the form of SQuAD. Out: cases. Vectors of
queries are kept on disk, because encoding them takes longer than all else.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.command_line.commands import place_of
from engine.search.analyser import make_analyser
from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from engine.search.embeddings import encode_passages_cached
from engine.search.encoder import Encoder, EncoderConfig
from engine.search.order import Vectors
from engine.search.systems import Bm25System, Search, System, vector_search
from engine.storage.digests import digest
from eval.retrieval.benchmark import Benchmark, load_benchmark, make_benchmark
from eval.retrieval.corpus import Corpus, read_corpus
from eval.retrieval.thinned import thinned
from eval.synthetic import synthetic_queries

ENCODER = EncoderConfig("bundled:all-minilm-l6-v2", None, None, 256)
_WINDOW_WORDS = 8
"""The words of a synthetic query that is cut out of a passage, where there is no generator for the language."""
_WINDOWS = 300
_SQUAD_SHARE = 6
"""Of the questions of a SQuAD file every sixth is taken: thousands say no more."""


@dataclass(frozen=True)
class Case:
    """A collection with its systems.

    Attributes:
        name: as the table has it.
        corpus: the passages.
        words: BM25.
        meaning: the encoder.
        synthetic: queries that were written from documents.
        real: judged questions; the choice sees their texts, and the benchmark their judgements.
        terms_of: gives the terms of a text, as BM25 reads it.
    """

    name: str
    corpus: Corpus
    words: System
    meaning: System
    synthetic: Benchmark
    real: Benchmark
    terms_of: Callable[[str], Sequence[str]]


class CachedQueries:
    """A dense system whose query vectors are kept in a folder.

    Args:
        encoder: the model, loaded when a query has no vector yet.
        index: the passages.
        folder: where vectors are kept, by a digest of the queries.
    """

    name = "base"

    def __init__(self, encoder: Callable[[], Encoder], index: DenseIndex, folder: Path) -> None:
        self._encoder, self._index, self._folder = encoder, index, folder

    def prepare(self, queries: Sequence[str]) -> Search:
        """Encodes the queries, or reads their vectors."""
        texts = list(queries)
        vectors = cached(self._folder, texts, lambda: self._encoder().encode_queries(texts))
        return vector_search(self._index, vectors)


def cached(folder: Path, texts: Sequence[str], encode: Callable[[], Vectors]) -> Vectors:
    """Returns the vectors of texts from the folder, after encoding them where it lacks them."""
    file = folder / f"{digest([ENCODER.model, list(texts)])}.npy"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(file, encode())
    vectors: Vectors = np.load(file)
    return vectors


def run_case(name: str, run: Path, benchmark: str, split: str, cache: Path) -> Case:
    """Reads the case of a finished run; all its queries that reached the round trip count, since nothing is trained."""
    corpus, passages = read_corpus(run / "documents"), encode_passages_cached(ENCODER, run / "documents", place_of(run))
    real = load_benchmark(benchmark, split)
    assert real, f"{benchmark} holds no judged questions"
    synthetic = synthetic_queries(run / "examples", 0)
    return make_case(name, corpus, passages.vectors, (synthetic, real), cache)


def squad_case(name: str, file: Path, cache: Path) -> Case:
    """Reads the case of a SQuAD file; windows of passages are its synthetic queries."""
    titles: list[str] = []
    texts: list[str] = []
    queries, qrels = {}, {}
    for article in json.loads(file.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                queries[asked["id"]], qrels[asked["id"]] = asked["question"], {str(len(texts)): 1}
            titles.append(article["title"].replace("_", " "))
            texts.append(paragraph["context"])
    ids = [str(number) for number in range(len(texts))]
    corpus = Corpus(ids, ids, titles, texts)
    passages = corpus.encoded_texts()
    vectors = cached(cache, passages, lambda: Encoder(ENCODER).encode_passages(passages))
    taken = sorted(queries)[::_SQUAD_SHARE]
    real = make_benchmark(name, queries, {query_id: qrels[query_id] for query_id in taken})
    return make_case(name, corpus, vectors, (windows(corpus), real), cache)


def windows(corpus: Corpus) -> Benchmark:
    """Cuts a run of words out of each of some passages, as queries whose answer is the passage's document."""
    draws = random.Random(0)
    queries, sources = {}, {}
    for row in draws.sample(range(len(corpus.texts)), min(_WINDOWS, len(corpus.texts))):
        words = corpus.texts[row].split()
        start = draws.randrange(max(1, len(words) - _WINDOW_WORDS))
        queries[f"window-{row}"] = " ".join(words[start : start + _WINDOW_WORDS])
        sources[f"window-{row}"] = corpus.document_ids[row]
    qrels = {query_id: {source: 1} for query_id, source in sources.items()}
    return replace(make_benchmark("synthetic", queries, qrels), sources=sources)


def made_cases(case: Case, cache: Path) -> Iterator[Case]:
    """Yields the case with an encoder that knows nothing, and with questions that share no word with their answers."""
    rng = np.random.default_rng(0)
    blind = rng.standard_normal((len(case.corpus.passage_ids), 384)).astype(np.float32)
    blind /= np.linalg.norm(blind, axis=1, keepdims=True)
    system = CachedQueries(lambda: Encoder(ENCODER), DenseIndex(case.corpus.passage_ids, blind), cache)
    yield replace(case, name=f"{case.name}.blind", meaning=system)
    yield replace(case, name=f"{case.name}.no_word", real=thinned(case.real, case.corpus, case.terms_of, 1.0))


def make_case(name: str, corpus: Corpus, vectors: Vectors, queries: tuple[Benchmark, Benchmark], cache: Path) -> Case:
    """Builds both systems over a corpus; `queries` are the synthetic ones and the real ones."""
    texts = corpus.encoded_texts()
    terms_of = make_analyser("auto", texts).terms
    words = Bm25System(Bm25Index(corpus.passage_ids, texts, terms_of=terms_of))
    meaning = CachedQueries(lambda: Encoder(ENCODER), DenseIndex(corpus.passage_ids, vectors), cache)
    return Case(name, corpus, words, meaning, *queries, terms_of)

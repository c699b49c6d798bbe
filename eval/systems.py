"""The systems that a report compares: BM25, base and tuned, and what its config asks for beyond them.

In: the settings of the report, and the folders of the other steps. Out: systems over all passages, under unique names
that `describe` puts into words. It is the only module of this package that makes encoders and indexes of passages, so
that every other one can be tested without a model.

A name says how its system is made: `bm25+base` is a fusion (`eval/fusions.py`), `bm25+base@50@NAME` is what the
reranker NAME makes of its first 50 passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.search.cross_encoder import TRAINED
from engine.search.reranked import RememberingScorer, RerankedSystem
from engine.search.systems import Bm25System, DenseSystem, System
from engine.search.tuned import tuned_encoder
from eval.asking.systems import asked_systems, describe_asked
from eval.config import FUSIONS_KEY, RERANKERS_KEY, cross_encoder
from eval.fusions import SUM, fused_system, half_words, parse_sum
from eval.retrieval.corpus import with_words
from eval.retrieval.remembered import SearchedOnce
from eval.stored import QUERIES, QUERIES_SUM, STORED, stored_queries

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.analyser import Analyser
    from engine.search.encoder import EncoderConfig
    from eval.config import ReportConfig
    from eval.entries import RerankerEntry
    from eval.retrieval.corpus import Corpus

_WORDS = {
    "bm25": "BM25",
    QUERIES: "stored queries",
    QUERIES_SUM: "stored queries, summed",
    **{with_words(model): f"{model} + words" for model in ("base", "tuned")},
}
"""The words for names that do not say it themselves."""
_RERANKED = "@"


def describe(name: str) -> str:
    """Puts the name of a system into the words of a table."""
    if words := describe_asked(name):
        return words
    if _RERANKED in name:
        first, depth, reranker = name.split(_RERANKED)
        by = "" if reranker == TRAINED else f" by {reranker}"
        return f"{describe(first)}, first {depth} reranked{by}"
    if SUM not in name:
        return _WORDS.get(name, name)
    terms = parse_sum(name, None, FUSIONS_KEY)
    weights = ["" if term.percent is None else f"{term.percent:g} % " for term in terms]
    words = " + ".join(weight + describe(term.system) for weight, term in zip(weights, terms, strict=True))
    return words if all(weights) else f"{words}, by ranks"


def build_systems(
    config: ReportConfig,
    inputs: Mapping[str, Path],
    corpus: Corpus,
    analyser: Analyser,
    place: Place,
    *,
    tuned: EncoderConfig | None = None,
) -> list[System]:
    """Builds BM25, base and tuned over all passages, then further encoders, fusions and reranked systems.

    Args:
        config: which systems, and their settings.
        inputs: the finished folders `documents` and `model`, and `examples` where a system searches by their queries.
        corpus: the passages.
        analyser: how BM25 reads words.
        place: where the step runs; its cache has the passages that were encoded before.
        tuned: the tuned encoder as a report measured it; None follows the config.
    """
    from engine.search.bm25_cached import Bm25Parameters, index_words_cached

    parameters = Bm25Parameters(config.bm25_k1, config.bm25_b)
    bm25 = Bm25System(index_words_cached(inputs["documents"], analyser, place, parameters))
    assert bm25.index.ids == corpus.passage_ids, "the documents folder holds other passages than the corpus"
    base = dense_system("base", config.encoder, inputs["documents"], place)
    tuned = tuned or tuned_encoder(config.encoder, inputs["model"])
    models = (base, dense_system("tuned", tuned, inputs["documents"], place))
    systems: dict[str, System] = {system.name: system for system in (bm25, *models)}
    further = config.further_bases()
    systems |= {name: dense_system(name, encoder, inputs["documents"], place) for name, encoder in further.items()}
    named = config.named_systems()
    if not named.isdisjoint(STORED):
        stored = stored_queries(inputs["examples"], corpus, base, config.stored_queries, place)
        systems |= {name: system for name, system in stored.items() if name in named}
    parts, ranks = dict(systems), corpus.ranks_of_ids
    for text in (*map(half_words, further), *config.fusions):
        fused = fused_system(text, parts, ranks, FUSIONS_KEY)
        systems[fused.name] = fused
    for name, entry in config.reranker_entries().items():
        first = fused_system(entry.first, parts, ranks, RERANKERS_KEY)
        reranked = reranked_systems(name, entry, first, corpus, place)
        systems |= {system.name: system for system in reranked}
    return [*systems.values(), *asked_systems(config, inputs, [bm25, base], corpus)]


def reranked_systems(
    name: str, entry: RerankerEntry, first: System, corpus: Corpus, place: Place
) -> list[RerankedSystem]:
    """Builds a system for each depth of a reranker, all with one scorer and one first stage, the deepest first."""
    from engine.search.named_models import load_named_cross_encoder

    scorer, texts = RememberingScorer(load_named_cross_encoder(cross_encoder(entry), place)), corpus.encoded_texts()
    shared, ranks = SearchedOnce(first), corpus.ranks_of_ids
    return [
        RerankedSystem(reranked_name(first.name, depth, name), shared, scorer, texts, ranks, depth)
        for depth in sorted(entry.depths, reverse=True)
    ]


@contextmanager
def scoring_once(systems: Sequence[System]) -> Iterator[None]:
    """Lets rerankers score each pair, and search each first stage, once while the block lasts.

    The largest depth is searched and scored, and smaller ones follow from that.
    """
    shared: dict[int, RememberingScorer | SearchedOnce] = {}
    for system in systems:
        if isinstance(system, RerankedSystem):
            parts = (system.scorer, system.first)
            shared |= {id(part): part for part in parts if isinstance(part, RememberingScorer | SearchedOnce)}
    with ExitStack() as stack:
        for part in shared.values():
            stack.enter_context(part.remember())
        yield


def reranked_name(first: str, depth: int, reranker: str) -> str:
    """Returns the name of what a reranker makes of the first passages of a system."""
    return _RERANKED.join((first, str(depth), reranker))


def reranker_of(system: RerankedSystem) -> str:
    """Returns the name of the reranker of a system that has one."""
    return system.name.rpartition(_RERANKED)[2]


def deepest_reranked(systems: Sequence[System]) -> dict[str, RerankedSystem]:
    """Returns the system with the largest depth of each reranker, by the name of the reranker."""
    deepest: dict[str, RerankedSystem] = {}
    for system in systems:
        if isinstance(system, RerankedSystem):
            name = reranker_of(system)
            if name not in deepest or deepest[name].depth < system.depth:
                deepest[name] = system
    return deepest


def dense_system(name: str, config: EncoderConfig, documents: Path, place: Place) -> DenseSystem:
    """Builds a model that searches the passages of a documents folder, encoded now or found in the cache."""
    from engine.search.dense import DenseIndex
    from engine.search.named_models import load_named_encoder, vectors_by

    passages = vectors_by(name, config, documents, place)
    return DenseSystem(name, load_named_encoder(name, config, place), DenseIndex(passages.ids, passages.vectors))

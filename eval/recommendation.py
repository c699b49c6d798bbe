"""How to search in this collection: gathers what the choice is made by, and measures all systems beside the chosen one.

In: BM25, base and tuned over the passages of a run; synthetic queries, and real ones without their judgements. Out: the
choice of `eval/choice.py`, base and tuned each with words at the chosen weight, and what every system reaches on the
queries that the report is about. Of these only the texts take part in the choice, so that figures on judged questions
stay a measurement. Everything here searches some hundred queries, whatever the size of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.search.fusion import FusedSystem, Part
from engine.search.systems import System
from eval.choice import THINNING, Evidence, HeldOut, choose
from eval.decision import LEAST_DOCUMENTS
from eval.report import Choice, Recommendation, SystemFigures, with_words
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.figures import units_of
from eval.retrieval.metrics import HEADLINE, Floats
from eval.retrieval.ranking import Results, measure
from eval.retrieval.thinned import thinned
from eval.significance import Bootstrap
from eval.weights import WEIGHTS, WeightCurves, agreement, measure_weights, search_pool


@dataclass(frozen=True)
class ChoiceQueries:
    """The queries that a choice is made by.

    Attributes:
        synthetic: queries of all documents.
        held_out: those of documents that the tuned model was not trained on.
        real: texts of queries of people, without judgements; none where there are none.
    """

    synthetic: Benchmark
    held_out: Benchmark
    real: Sequence[str]


@dataclass(frozen=True)
class CorpusSystems:
    """The systems of a run, and how words are read.

    Attributes:
        systems: BM25, base and tuned, by name.
        corpus: the passages that they search.
        terms_of: gives the terms of a text as BM25 reads it.
    """

    systems: Mapping[str, System]
    corpus: Corpus
    terms_of: Callable[[str], Sequence[str]]

    def choose(self, queries: ChoiceQueries, bootstrap: Bootstrap, *, is_harmless: bool) -> Choice | None:
        """Chooses by words, base, or both, and base or tuned; None where queries of too few documents are there.

        Args:
            queries: what to choose by.
            bootstrap: how intervals are drawn.
            is_harmless: whether the decision lets the tuned model pass.
        """
        sources = queries.synthetic.sources.values()
        if len({self.corpus.original_of.get(name, name) for name in sources}) < LEAST_DOCUMENTS:
            return None
        evidence = Evidence(self._curves(queries.synthetic, "base"), self._agreement(queries.real))
        held_out = None
        if queries.held_out.queries:
            weights = [WEIGHTS[evidence.best()]]
            held_out = HeldOut(*(self._curves(queries.held_out, model, weights) for model in ("base", "tuned")))
        return choose(evidence, bootstrap, held_out, is_harmless=is_harmless)

    def with_words(self, weight: float) -> list[FusedSystem]:
        """Returns base and tuned, each with words at a weight; none where the weight leaves words or meaning out."""
        if weight in {0.0, 1.0}:
            return []
        ranks = self.corpus.ranks_of_ids
        words = Part(self.systems["bm25"], weight)
        return [
            FusedSystem(with_words(model), [words, Part(self.systems[model], 1 - weight)], ranks)
            for model in ("base", "tuned")
        ]

    def measure_with_words(self, results: Results, weight: float, k: int) -> Results:
        """Adds to the results on a set of queries those of both models with words."""
        fused = measure(results.benchmark, self.with_words(weight), self.corpus, k)
        return replace(
            results, trec_runs={**results.trec_runs, **fused.trec_runs}, scores={**results.scores, **fused.scores}
        )

    def _curves(self, queries: Benchmark, model: str, weights: Sequence[float] = WEIGHTS) -> list[WeightCurves]:
        sets = (thinned(queries, self.corpus, self.terms_of, share) for share in THINNING)
        words, meaning = self.systems["bm25"], self.systems[model]
        return [measure_weights(queries, words, meaning, self.corpus, weights) for queries in sets]

    def _agreement(self, texts: Sequence[str]) -> Floats:
        if not texts:
            return np.empty(0)
        words, base = (search_pool(self.systems[name], texts)[0] for name in ("bm25", "base"))
        return agreement(words, base)


def recommend(
    choice: Choice | None, synthetic: int, results: Results, corpus: Corpus, bootstrap: Bootstrap
) -> Recommendation:
    """Puts the choice together with what every system reaches, and how far each is from the chosen one.

    Args:
        choice: the chosen system; None where there is none.
        synthetic: number of synthetic queries that there were.
        results: those of all systems on one set of queries.
        corpus: the passages that were searched.
        bootstrap: how resamples are drawn; those of other figures on the same queries are the same.
    """
    if choice is None or not results.benchmark.queries:
        return Recommendation(choice, synthetic, {})
    values = {name: scores.values[HEADLINE] for name, scores in results.scores.items()}
    columns = {(name, ""): column for name, column in values.items()}
    columns |= {(name, choice.system): column - values[choice.system] for name, column in values.items()}
    resampled = bootstrap.resample(columns, units_of(results, corpus.original_of))
    systems = {}
    for name in values:
        level = replace(resampled[name, ""], limits=(0.0, 1.0)).figures()
        to_chosen = replace(resampled[name, choice.system], limits=(-1.0, 1.0)).figures()
        systems[name] = SystemFigures(level.mean, level.ci95, None if name == choice.system else to_chosen)
    return Recommendation(choice, synthetic, systems)

"""The cross-encoder that a run trained as a teacher, as a reranker behind the search that the report chose.

In: its folder, the systems, and the choice. Out: the chosen system reranked, what that adds at each depth, and whether
it is recommended: where one depth, which is set beforehand, is surely better than the chosen system alone. That is
asked on the queries that the report is about, so on judged ones where there are any, since the cross-encoder was
trained on queries of the same generator as held-out ones, and would be flattered by these more than by being decided on
queries that its gain is told of too. All words that tell this gain say where it was decided (`eval/advice.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.search.cross_encoder import TRAINED, TRAINED_INPUT
from engine.search.order import Ranking, blank_ranking
from engine.search.reranked import RerankedSystem
from engine.search.systems import ALL, Numbers, Search, System
from eval.crossfit import CHOSEN, Chosen
from eval.entries import RerankerEntry
from eval.report import Recommendation, RerankerGain
from eval.reranking.figures import RerankCurve
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import with_words
from eval.retrieval.metrics import HEADLINE, Floats
from eval.retrieval.ranking import measure
from eval.systems import reranked_systems
from eval.weights import fold_of

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from eval.config import ReportConfig
    from eval.recommendation import CorpusSystems


def trained_reranker(
    config: ReportConfig, inputs: Mapping[str, Path], systems: CorpusSystems, chosen: Chosen | None, place: Place
) -> list[RerankedSystem]:
    """Builds the chosen system with what the run's own cross-encoder makes of its first passages.

    Args:
        config: how many passages it orders; 0: none.
        inputs: the folders of the step, the cross-encoder's among them where the run trained one.
        systems: BM25, base, tuned and whatever else there is.
        chosen: how to search; None where nothing was chosen, and then nothing is reranked.
        place: where the step runs.
    """
    depth = config.trained_reranker_depth
    if not depth or chosen is None or TRAINED_INPUT not in inputs:
        return []
    place.console.step("report", f"reranking the first {depth} passages by the cross-encoder that was trained")
    entry = RerankerEntry(str(inputs[TRAINED_INPUT]), depths=(depth,))
    return reranked_systems(TRAINED, entry, _first_stage(systems, chosen), systems.corpus, place)


def reranked_values(
    benchmark: Benchmark, reranked: Sequence[RerankedSystem], systems: CorpusSystems, chosen: Chosen, k: int
) -> dict[str, Floats]:
    """Computes what each query counts reranked, where the chosen system was chosen without the query.

    A query counts the nDCG@10, 0 to 1, of what the cross-encoder makes of the first passages that the system chosen
    without it finds. So it is measured for each query like any other value, and it is no sum of one system's value and
    of what reranking adds to another one. Within `scoring_once` only pairs are scored that no other search has found.

    Args:
        benchmark: the queries.
        reranked: the systems to compute it for, each over the system that all queries chose.
        systems: BM25, base, tuned and whatever else there is.
        chosen: how to search, by all queries and without each fold.
        k: the number of documents that are ranked for each query.

    Returns:
        A column for each system by its name, (queries,), in the order of scores.
    """
    first = _ChosenWithoutEach(chosen, systems, benchmark)
    measured = measure(
        benchmark, [replace(system, first=first) for system in reranked], systems.corpus, k, console=systems.console
    )
    return {name: scores.values[HEADLINE] for name, scores in measured.scores.items()}


class _ChosenWithoutEach:
    """A system that searches each query of a benchmark by what was chosen without it; it knows no other queries."""

    name = CHOSEN

    def __init__(self, chosen: Chosen, systems: CorpusSystems, benchmark: Benchmark) -> None:
        folds = [fold_of(benchmark.unit_of(query_id, systems.corpus.original_of)) for query_id in benchmark.queries]
        selections = [chosen.folds[fold] for fold in folds]
        self._rows: dict[tuple[str, float], list[int]] = {}
        for row, selection in enumerate(selections):
            self._rows.setdefault((selection.model, selection.weight), []).append(row)
        self._systems = systems

    def prepare(self, queries: Sequence[str]) -> Search:
        """Prepares each of the systems for all queries, as they are remembered."""
        searches = [(rows, self._system(*chosen).prepare(queries)) for chosen, rows in self._rows.items()]

        def search(depth: int, numbers: Numbers = ALL) -> Ranking:
            found = [(rows, query_search(depth, numbers)) for rows, query_search in searches]
            widest = max(ranked.shape[1] for _, (ranked, _) in found)
            asked = np.arange(len(queries))[numbers]
            passages, scores = blank_ranking(len(asked), widest)
            passages[:] = -1
            for rows, (ranked, ranked_scores) in found:
                places = np.isin(asked, rows)
                passages[places, : ranked.shape[1]] = ranked[places]
                scores[places, : ranked.shape[1]] = ranked_scores[places]
            return passages, scores

        return search

    def _system(self, model: str, weight: float) -> System:
        fused = {system.name: system for system in self._systems.with_words(weight, self._systems.remembered)}
        return fused[with_words(model)]


def with_gain(recommendation: Recommendation | None, curves: Mapping[str, RerankCurve]) -> Recommendation | None:
    """Adds to a recommendation whether to rerank by the run's own cross-encoder, where that was measured."""
    curve = curves.get(TRAINED)
    if recommendation is None or curve is None:
        return recommendation
    deepest = curve.points[-1]
    assert deepest.to_first is not None, "a curve goes beyond the first stage"
    return replace(recommendation, reranker=RerankerGain(deepest.depth, deepest.to_first.difference))


def _first_stage(systems: CorpusSystems, chosen: Chosen) -> System:
    fused = {system.name: system for system in systems.with_words(chosen.inside)}
    return {**systems.systems, **fused}[chosen.choice.system]

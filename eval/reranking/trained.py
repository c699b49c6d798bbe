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

from engine.search.cross_encoder import TRAINED, TRAINED_INPUT
from engine.search.reranked import RerankedSystem
from engine.search.systems import System
from eval.crossfit import CHOSEN, Chosen
from eval.entries import RerankerEntry
from eval.report import Recommendation, RerankerGain
from eval.reranking.figures import RerankCurve
from eval.retrieval.metrics import HEADLINE, Floats
from eval.retrieval.ranking import Results
from eval.systems import reranked_systems

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
    results: Results, reranked: Sequence[System], chosen: Chosen, crossfitted: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Computes what each query counts reranked, where the chosen system was chosen without the query.

    That is what the chosen system then has, and what reranking adds to it with the weight that all queries chose.

    Args:
        results: of all systems, the reranked ones among them.
        reranked: the systems to compute it for.
        chosen: how to search.
        crossfitted: what `CorpusSystems.crossfit` gave for these queries.
    """
    values = {name: scores.values[HEADLINE] for name, scores in results.scores.items()}
    first = values[chosen.choice.system]
    return {system.name: crossfitted[CHOSEN] + values[system.name] - first for system in reranked}


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

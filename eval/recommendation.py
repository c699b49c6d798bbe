"""How to search in this collection: gathers what the choice is made by, and measures all systems beside the chosen one.

In: the systems of a run over its passages; synthetic queries, real ones, and judgements where there are any. Out: the
choice of `eval/choice.py`, base and tuned each with words, and what every system reaches on the queries that the report
is about. Where these took part in the choice, what the choice reaches on them is cross-fitted (`eval/crossfit.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from engine.search.fusion import FusedSystem, Part
from engine.search.systems import System
from eval.choice import THINNING, Evidence, HeldOut, choose
from eval.comparisons import compare_systems
from eval.counting import Advance, counting
from eval.crossfit import CHOSEN, MODELS, Chosen, Harmless, crossfitted, select, weights_of
from eval.decision import LEAST_DOCUMENTS
from eval.report import Choice, Recommendation, SystemFigures
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus, with_words
from eval.retrieval.metrics import HEADLINE, Floats
from eval.retrieval.ranking import Results, measure
from eval.retrieval.recall import recall_curve
from eval.retrieval.remembered import RememberedSystem
from eval.retrieval.sizes import index_sizes
from eval.retrieval.thinned import thinned
from eval.significance import Bootstrap, DifferenceFigures
from eval.weights import FOLDS, WEIGHTS, WeightCurves, agreement, measure_weights, search_pool

if TYPE_CHECKING:
    from engine.runtime.console import Console


@dataclass(frozen=True)
class ChoiceQueries:
    """The queries that a choice is made by.

    Attributes:
        synthetic: queries of all documents.
        held_out: those of documents that the tuned model was not trained on.
        real: texts of queries of people, without judgements; none where there are none.
        judged: queries of people with judgements; None where there are none.
    """

    synthetic: Benchmark
    held_out: Benchmark
    real: Sequence[str]
    judged: Benchmark | None = None


@dataclass(frozen=True)
class CorpusSystems:
    """The systems of a run, and how words are read.

    Attributes:
        systems: BM25, base, tuned and whatever else there is, by name.
        corpus: the passages that they search.
        terms_of: gives the terms of a text as BM25 reads it.
        console: is told how far a choice or a measurement is; None tells nobody.
    """

    systems: Mapping[str, System]
    corpus: Corpus
    terms_of: Callable[[str], Sequence[str]]
    console: Console | None = None

    @cached_property
    def remembered(self) -> dict[str, System]:
        """Returns the same systems, which prepare a list of queries only once."""
        return {name: RememberedSystem(system) for name, system in self.systems.items()}

    def choose(self, queries: ChoiceQueries, bootstrap: Bootstrap, harmless: Harmless) -> Chosen | None:
        """Chooses by words, base, or both, and base or tuned; None where queries of too few documents are there.

        Args:
            queries: what to choose by.
            bootstrap: how intervals are drawn.
            harmless: whether the decision lets the tuned model pass, by all queries and without each fold.
        """
        sources = queries.synthetic.sources.values()
        if len({self.corpus.original_of.get(name, name) for name in sources}) < LEAST_DOCUMENTS:
            return None
        with counting(self.console, _num_sets(queries), "sets of queries") as advance:
            asked = queries.judged if queries.judged and queries.judged.queries else None
            judged = self._curves(asked, "base", WEIGHTS, advance) if asked else None
            sets = self._sets(queries.synthetic, "base", WEIGHTS, advance)
            evidence = Evidence(sets, self._agreement(queries.real), judged)
            weights = weights_of(evidence)
            held_out = self._held_out(queries, sorted({weight for weight, _ in weights}), advance)
        choice = choose(evidence, bootstrap, held_out, is_harmless=harmless.by_all)
        folds = select(evidence, weights, held_out, bootstrap, harmless, console=self.console)
        return Chosen(choice, weights[0][1], folds)

    def crossfit(self, benchmark: Benchmark, chosen: Chosen) -> dict[str, Floats]:
        """Computes what each query counts that the choice was made without; see `crossfitted`."""
        weights = sorted({weight for fold in chosen.folds for weight in (fold.weight, fold.inside)})
        with counting(self.console, len(MODELS), "models (cross-fitted)") as advance:
            curves = {model: self._curves(benchmark, model, weights, advance) for model in MODELS}
        return crossfitted(chosen.folds, curves)

    def with_words(self, weight: float, systems: Mapping[str, System] | None = None) -> list[FusedSystem]:
        """Returns base and tuned, each with words at a weight.

        Args:
            weight: that of words, between 0 and 1.
            systems: the parts; by default those that remember nothing, whose time and size can be measured.
        """
        parts = systems or self.systems
        words = Part(parts["bm25"], weight)
        return [
            FusedSystem(with_words(model), [words, Part(parts[model], 1 - weight)], self.corpus.ranks_of_ids)
            for model in MODELS
        ]

    def measure_with_words(self, results: Results, weight: float, k: int) -> Results:
        """Adds to the results on a set of queries those of both models with words."""
        return self.measure_too(results, self.with_words(weight, self.remembered), k)

    def measure_too(self, results: Results, systems: Sequence[System], k: int) -> Results:
        """Adds to the results on a set of queries those of further systems."""
        others = measure(results.benchmark, systems, self.corpus, k, console=self.console)
        return replace(
            results, trec_runs={**results.trec_runs, **others.trec_runs}, scores={**results.scores, **others.scores}
        )

    def sizes(self, weight: float | None) -> dict[str, int]:
        """Returns the bytes of each system's index, with those of the systems with words where a weight is given."""
        return index_sizes([*self.systems.values(), *(self.with_words(weight) if weight is not None else ())])

    def _held_out(self, queries: ChoiceQueries, weights: Sequence[float], advance: Advance) -> HeldOut | None:
        if not queries.held_out.queries:
            return None
        base, tuned = (self._sets(queries.held_out, model, weights, advance) for model in MODELS)
        if not queries.judged or not queries.judged.queries:
            return HeldOut(base, tuned)
        judged = [self._curves(queries.judged, model, weights, advance) for model in MODELS]
        return HeldOut(base, tuned, (judged[0], judged[1]))

    def _sets(self, queries: Benchmark, model: str, weights: Sequence[float], advance: Advance) -> list[WeightCurves]:
        sets = (thinned(queries, self.corpus, self.terms_of, share) for share in THINNING)
        return [self._curves(queries, model, weights, advance) for queries in sets]

    def _curves(self, queries: Benchmark, model: str, weights: Sequence[float], advance: Advance) -> WeightCurves:
        curves = measure_weights(queries, self.remembered["bm25"], self.remembered[model], self.corpus, weights)
        advance()
        return curves

    def _agreement(self, texts: Sequence[str]) -> Floats:
        if not texts:
            return np.empty(0)
        words, base = (search_pool(self.remembered[name], texts)[0] for name in ("bm25", "base"))
        return agreement(words, base)


def _num_sets(queries: ChoiceQueries) -> int:
    """Counts the sets of queries that a choice searches: whole and thinned ones, and judged ones, by each model."""
    judged = 1 if queries.judged and queries.judged.queries else 0
    by_held_out = len(MODELS) * (len(THINNING) + judged) if queries.held_out.queries else 0
    return len(THINNING) + judged + by_held_out


@dataclass(frozen=True)
class Measured:
    """What the systems reach and take.

    Attributes:
        results: those of all systems on one set of queries.
        crossfitted: what `CorpusSystems.crossfit` gave for these queries; empty where nothing was chosen.
        sizes: the bytes of each system's index, by name; systems whose size is not known are not in it.
        units: what each query is drawn with, in the order of the scores.
    """

    results: Results
    crossfitted: Mapping[str, Floats]
    sizes: Mapping[str, int]
    units: Sequence[str]


def crossfitted_columns(chosen: Chosen | None, measured: Measured) -> dict[str, Floats]:
    """Returns what each query counts for the systems whose figures are cross-fitted, by the names that they have.

    Returns:
        One column for each, in the order of the scores; none where nothing was chosen or measured.
    """
    scores = measured.results.scores
    columns = {name: column for name, column in measured.crossfitted.items() if name in scores}
    if chosen and CHOSEN in measured.crossfitted:
        columns[chosen.choice.system] = measured.crossfitted[CHOSEN]
    return columns


def recommend(
    chosen: Chosen | None, model: str, synthetic: int, measured: Measured, bootstrap: Bootstrap
) -> Recommendation:
    """Puts the choice together with what every system reaches, and how far each is from the chosen one.

    The chosen system and those with words are cross-fitted. Where judged queries took part in the choice, what it gains
    is told by these values too.

    Args:
        chosen: the chosen system; None where there is none.
        model: the model of the decision, which the others are compared with where there is none.
        synthetic: number of synthetic queries that there were.
        measured: what the systems reach and take.
        bootstrap: how resamples are drawn; those of other figures on the same queries are the same.
    """
    choice = chosen.choice if chosen else None
    if not measured.results.benchmark.queries:
        return Recommendation(choice, synthetic, {})
    name = choice.system if choice else model
    plain = {system: scores.values[HEADLINE] for system, scores in measured.results.scores.items()}
    columns = crossfitted_columns(chosen, measured)
    systems = _compared(plain | columns, name, measured, bootstrap)
    systems |= {system: replace(systems[system], seen=float(plain[system].mean())) for system in columns}
    if chosen is None or choice is None:
        return Recommendation(None, synthetic, systems)
    if choice.judged:
        choice = _with_gains(choice, systems)
    return Recommendation(choice, synthetic, systems, chosen.inside, FOLDS, float(plain[name].mean()))


def _compared(
    values: Mapping[str, Floats], chosen: str, measured: Measured, bootstrap: Bootstrap
) -> dict[str, SystemFigures]:
    columns = {(name, ""): column for name, column in values.items()}
    columns |= {(name, chosen): column - values[chosen] for name, column in values.items()}
    resampled = bootstrap.resample(columns, measured.units)
    differ = compare_systems(values, chosen, measured.units, bootstrap.resamples, bootstrap.seed)
    systems = {}
    for name in values:
        level = replace(resampled[name, ""], limits=(0.0, 1.0)).figures()
        to_chosen = replace(resampled[name, chosen], limits=(-1.0, 1.0)).figures() if name != chosen else None
        p_holm = differ[name].p_holm if name in differ else None
        curve = recall_curve(measured.results, name)
        systems[name] = SystemFigures(level.mean, level.ci95, to_chosen, p_holm, curve, measured.sizes.get(name))
    return systems


def _with_gains(choice: Choice, systems: Mapping[str, SystemFigures]) -> Choice:
    """Returns the choice with what it gains on judged queries, each scored by a choice without it."""
    words, base = systems["bm25"].to_chosen, systems["base"].to_chosen
    return replace(
        choice,
        ndcg=systems[choice.system].mean,
        over_words=_negated(words) if words else choice.over_words,
        over_meaning=_negated(base) if base else choice.over_meaning,
    )


def _negated(difference: DifferenceFigures) -> DifferenceFigures:
    return DifferenceFigures(-difference.mean, (-difference.high, -difference.low), difference.p)

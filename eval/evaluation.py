"""Runs all systems over what there is to measure: judged questions and held-out queries.

In: the folders of the other steps. Out: an Evaluation, everything that the report is written from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.prompts import PromptsFolder
from engine.search.analyser import AUTO, Analyser, make_analyser
from engine.search.cross_encoder import TRAINED_INPUT
from engine.search.index_settings import IndexKind
from engine.search.reranked import RerankedSystem
from engine.search.systems import DenseSystem, System
from eval.asking.systems import is_asked
from eval.crossfit import Chosen
from eval.data_quality.meaning import MeaningFigures, describe_meaning
from eval.decision import decide
from eval.harmless import check_with_words, fuse_models, harmless_in_folds
from eval.query_log import LogFigures, describe_log, log_queries
from eval.recommendation import ChoiceQueries, CorpusSystems, Measured, crossfitted_columns, recommend
from eval.report import Decision, Recommendation
from eval.reranking.depths import depth_curve, with_latencies
from eval.reranking.figures import RerankCurve
from eval.reranking.trained import reranked_values, trained_reranker, with_gain
from eval.retrieval.benchmark import Benchmark, load_benchmark, load_queries
from eval.retrieval.corpus import SYSTEMS, Corpus, read_corpus
from eval.retrieval.figures import RetrievalFigures, compare, resample, units_of
from eval.retrieval.indexes import IndexComparison, compare_indexes
from eval.retrieval.latency import Latency, measure_latency
from eval.retrieval.metrics import Floats
from eval.retrieval.ranking import Results, measure
from eval.significance import Bootstrap
from eval.similarity.figures import BASE, TUNED, SimilarityFigures
from eval.similarity.file import similarity_of_file
from eval.similarity.measure import SIMILARITY, cosines
from eval.synthetic import held_out_queries, synthetic_queries
from eval.systems import build_systems, deepest_reranked, scoring_once

if TYPE_CHECKING:
    from engine.runtime.console import Console
    from engine.runtime.place import Place
    from engine.search.encoder import Encoder
    from engine.search.usage import Usage
    from eval.config import ReportConfig


@dataclass(frozen=True)
class Evaluation:
    """The results of all measurements.

    Attributes:
        corpus: the passages that all systems searched.
        judged: results on the benchmark; None without one.
        held_out: results on synthetic queries of held-out documents: those that the decision rests on, or fewer of them
            where nothing is judged and a system is slow.
        retrieval: figures of the judged questions, by name of the benchmark; empty without one.
        held_out_figures: the same of the held-out queries.
        decision: which of the two models to use.
        latency: how long one query takes, by system.
        analyser: the name of the analyser by which BM25 read words.
        recommendation: how to search; None where the config asks for none.
        meaning: how synthetic and real queries differ by their vectors; empty where the config asks for no choice.
        log: what a log of queries shows; None without one.
        indexes: approximate indexes beside exact search; None where the config asks for none.
        reranking: quality and time by the number of passages that each reranker is given, by its name.
        similarity: agreement with the grades of pairs, by the name of the set.
        crossfitted: nDCG@10 of the queries of `shown`, in the order of its scores, by each system whose figures are
            cross-fitted.
        tuned: how the tuned model read texts; None where no model of that name was loaded.
    """

    corpus: Corpus
    judged: Results | None
    held_out: Results
    retrieval: Mapping[str, RetrievalFigures]
    held_out_figures: RetrievalFigures
    decision: Decision
    latency: Mapping[str, Latency]
    analyser: str
    recommendation: Recommendation | None = None
    meaning: Mapping[str, MeaningFigures] = field(default_factory=dict)
    log: LogFigures | None = None
    indexes: IndexComparison | None = None
    reranking: Mapping[str, RerankCurve] = field(default_factory=dict)
    similarity: Mapping[str, SimilarityFigures] = field(default_factory=dict)
    crossfitted: Mapping[str, Floats] = field(default_factory=dict)
    tuned: Usage | None = None

    @property
    def shown(self) -> Results:
        """The results that headlines and tables are about: judged questions where there are any, else held-out ones."""
        return self.judged or self.held_out

    @property
    def model(self) -> str:
        """The encoder to use, base or tuned: that of the system to search with, or else that of the decision."""
        choice = self.recommendation.choice if self.recommendation else None
        return choice.model if choice else self.decision.model

    @property
    def real_queries(self) -> Mapping[str, str]:
        """The benchmark's queries, query id -> text; empty without one."""
        return self.judged.benchmark.queries if self.judged else {}


def evaluate_systems(config: ReportConfig, inputs: Mapping[str, Path], place: Place) -> Evaluation:
    """Encodes what is not encoded yet, searches, scores and decides.

    Args:
        config: what to measure on, and how.
        inputs: the finished folders `documents`, `prompts`, `examples` and `model`.
        place: where the step runs; its cache has the passages that were encoded before.
    """
    corpus, console = read_corpus(inputs["documents"]), place.console
    benchmark = find_benchmark(config, inputs, corpus, place)
    analyser = analyser_of(config, corpus, place)
    systems = build_systems(config, inputs, corpus, analyser, place)
    named = CorpusSystems({system.name: system for system in systems}, corpus, analyser.terms, console)
    remembered = named.remembered
    # The decision rests on three systems; what the others reach on held-out queries is shown where there are no others.
    # Where one of these is slow, fewer queries are shown, and the decision still rests on all.
    deciding = [remembered[name] for name in SYSTEMS]
    reranks = TRAINED_INPUT in inputs and bool(config.choice_queries and config.trained_reranker_depth)
    most = config.max_held_out if benchmark else config.most_held_out(config.max_held_out, reranks=reranks)
    every, few = (held_out_queries(inputs["examples"], limit) for limit in (config.max_held_out, most))
    with scoring_once(systems):
        by_all, k = list(remembered.values()), config.k
        held_out = measure(few, deciding if benchmark else by_all, corpus, k, console=console)
        are_fewer = len(every.queries) > len(few.queries)
        decided = measure(every, deciding, corpus, k, console=console) if are_fewer else held_out
        judged = measure(benchmark, by_all, corpus, k, console=console) if benchmark else None
        # No model was asked about the queries of a log, so systems that look answers up know nothing of them.
        answering = [remembered[system.name] for system in systems if not is_asked(system)]
        log = describe_log(config, answering, corpus, list(held_out.benchmark.queries.values()), console=console)
        curves = _depth_curves(config, systems, judged or held_out, corpus, console)
    evaluation = conclude(config, corpus, judged, held_out, analyser=analyser.name, decided=decided)
    bootstrap, original_of = Bootstrap(config.resamples, config.seed), corpus.original_of
    fused = fuse_models(named, decided, config.k)
    decision = check_with_words(evaluation.decision, fused, config.decision_level, bootstrap, original_of)
    evaluation = replace(evaluation, log=log, decision=decision, tuned=_encoders(systems)[TUNED].usage)
    evaluation = replace(evaluation, similarity=_similarity(config, inputs, systems, place))
    if config.choice_queries:
        console.step("report", "choosing how to search")
        seen = choice_queries(config, inputs, benchmark)
        drawn = (config.decision_level, bootstrap, original_of)
        harmless = harmless_in_folds(decision, (decided, fused), *drawn, console=console)
        chosen = named.choose(seen, bootstrap, harmless)
        reranked = trained_reranker(config, inputs, named, chosen, place)
        with scoring_once(reranked):
            synthetic = len(seen.synthetic.queries)
            evaluation = with_recommendation(config, evaluation, named, chosen, synthetic, reranked=reranked)
            curves |= _depth_curves(config, reranked, evaluation.shown, corpus, console)
        advised = with_gain(evaluation.recommendation, curves)
        with console.waiting("report", "comparing synthetic and real queries"):
            meaning = describe_choice_queries(seen, systems)
        evaluation = replace(evaluation, recommendation=advised, meaning=meaning)
        systems += [*named.with_words(chosen.inside), *reranked] if chosen else []
    queries = log_queries(config) or list(evaluation.shown.benchmark.queries.values())
    if config.indexes and queries:
        console.step("report", "comparing indexes")
        evaluation = replace(evaluation, indexes=_compare_indexes(config, systems, evaluation.model, queries, console))
    latency, curves = _latencies(config, systems, queries, curves, console)
    return replace(evaluation, latency=latency, reranking=curves)


def _latencies(
    config: ReportConfig,
    systems: Sequence[System],
    queries: Sequence[str],
    curves: Mapping[str, RerankCurve],
    console: Console,
) -> tuple[dict[str, Latency], dict[str, RerankCurve]]:
    """Times all systems that can be timed, and the rerankers at each of their depths."""
    repetitions = config.latency_repetitions
    timed = [system for system in systems if not is_asked(system)]
    if timed and queries and repetitions:
        console.step("report", f"timing {repetitions} searches by each of {len(timed)} systems")
    latency, deepest = measure_latency(timed, queries, repetitions, console=console), deepest_reranked(systems)
    return latency, {
        name: with_latencies(curve, deepest[name], queries, repetitions, latency, console=console)
        for name, curve in curves.items()
    }


def _similarity(
    config: ReportConfig, inputs: Mapping[str, Path], systems: Sequence[System], place: Place
) -> dict[str, SimilarityFigures]:
    """Measures base and tuned on the graded pairs of a file; nothing without one."""
    if SIMILARITY not in inputs:
        return {}
    encoders = _encoders(systems)
    scorers = {name: cosines(encoders[name]) for name in (BASE, TUNED)}
    figures = similarity_of_file(config, inputs, scorers, place)
    return {SIMILARITY: figures} if figures else {}


def _encoders(systems: Sequence[System]) -> dict[str, Encoder]:
    """Returns the encoders among the systems, by the names of these."""
    return {system.name: system.encoder for system in systems if isinstance(system, DenseSystem)}


def _depth_curves(
    config: ReportConfig, systems: Sequence[System], results: Results, corpus: Corpus, console: Console
) -> dict[str, RerankCurve]:
    """Measures each reranker at all depths, on the queries that the report is about."""
    benchmark = results.benchmark
    if not benchmark.queries:
        return {}
    units, bootstrap = units_of(results, corpus.original_of), Bootstrap(config.resamples, config.seed)
    return {
        name: depth_curve(system, benchmark, corpus, units, bootstrap, console=console)
        for name, system in deepest_reranked(systems).items()
    }


def _compare_indexes(
    config: ReportConfig, systems: Sequence[System], model: str, queries: Sequence[str], console: Console
) -> IndexComparison:
    """Compares the indexes of the config over the passages as one model encodes them."""
    [system] = [system for system in systems if isinstance(system, DenseSystem) and system.name == model]
    kinds = [IndexKind(name) for name in config.indexes]
    return compare_indexes(kinds, system, queries, config.latency_repetitions, config.seed, console=console)


def conclude(
    config: ReportConfig,
    corpus: Corpus,
    judged: Results | None,
    held_out: Results,
    *,
    analyser: str,
    decided: Results | None = None,
) -> Evaluation:
    """Makes figures of the results, and decides; the resamples of each set of queries are drawn once.

    Args:
        config: how it is measured.
        corpus: the passages.
        judged: results on the benchmark; None without one.
        held_out: results on held-out queries.
        analyser: the name of the analyser by which BM25 read words.
        decided: results of BM25, base and tuned on the held-out queries that the decision rests on; by default those of
            `held_out`.
    """
    bootstrap, document_ids = Bootstrap(config.resamples, config.seed), set(corpus.document_ids)
    resamples = resample(held_out, bootstrap, corpus.original_of)
    deciding = resample(decided, bootstrap, corpus.original_of) if decided and decided is not held_out else resamples
    return Evaluation(
        corpus,
        judged,
        held_out,
        {judged.benchmark.name: compare(judged, document_ids, resample(judged, bootstrap))} if judged else {},
        compare(held_out, document_ids, resamples),
        decide(deciding, config.decision_level),
        {},
        analyser,
    )


def choice_queries(config: ReportConfig, inputs: Mapping[str, Path], benchmark: Benchmark | None) -> ChoiceQueries:
    """Reads what the way to search is chosen by: at most `config.choice_queries` of each kind, and all judged ones.

    Real queries are those of a log, else those of the collection, judged or not; none where what is judged is about
    other documents.
    """
    limit, examples, key = config.choice_queries, inputs["examples"], config.benchmark_key()
    real: Mapping[str, str] = {}
    if benchmark or not load_benchmark(config.benchmark, config.split, key=key):
        real = load_queries(config.benchmark, demonstration_queries(inputs["prompts"]), limit, key=key)
    real_texts = log_queries(config, limit) or list(real.values())
    synthetic, held_out = synthetic_queries(examples, limit), held_out_queries(examples, limit)
    return ChoiceQueries(synthetic, held_out, real_texts, benchmark)


def describe_choice_queries(queries: ChoiceQueries, systems: Sequence[System]) -> dict[str, MeaningFigures]:
    """Describes synthetic and real queries by the vectors of the base encoder; empty without one."""
    base = next((system for system in systems if isinstance(system, DenseSystem) and system.name == "base"), None)
    if base is None:
        return {}
    synthetic = list(queries.synthetic.queries.values())
    return describe_meaning({"synthetic": synthetic, "real": queries.real}, base.encoder.encode_queries)


def with_recommendation(
    config: ReportConfig,
    evaluation: Evaluation,
    systems: CorpusSystems,
    chosen: Chosen | None,
    synthetic: int,
    *,
    reranked: Sequence[RerankedSystem] = (),
) -> Evaluation:
    """Measures both models with words, on the queries that the report is about, and all systems beside the chosen one.

    Args:
        config: how it is measured.
        evaluation: all results without words.
        systems: BM25, base, tuned and whatever else was measured.
        chosen: how to search; None where there was too little to choose by.
        synthetic: number of synthetic queries that there were to choose by.
        reranked: the chosen system, reranked by what the run trained for it.
    """
    bootstrap, shown = Bootstrap(config.resamples, config.seed), evaluation.shown
    units = units_of(shown, evaluation.corpus.original_of)
    measured = Measured(shown, {}, systems.sizes(chosen.inside if chosen else None), units)
    if chosen and shown.benchmark.queries:
        shown = systems.measure_with_words(shown, chosen.inside, config.k)
        crossfitted = systems.crossfit(shown.benchmark, chosen)
        if reranked:
            shown = systems.measure_too(shown, reranked, config.k)
            crossfitted |= reranked_values(shown.benchmark, reranked, systems, chosen, config.k)
        measured = replace(measured, results=shown, crossfitted=crossfitted)
    recommendation = recommend(chosen, evaluation.decision.model, synthetic, measured, bootstrap)
    judged, held_out = (shown, evaluation.held_out) if evaluation.judged else (None, shown)
    return replace(
        evaluation,
        judged=judged,
        held_out=held_out,
        recommendation=recommendation,
        crossfitted=crossfitted_columns(chosen, measured),
    )


def analyser_of(config: ReportConfig, corpus: Corpus, place: Place) -> Analyser:
    """Makes the analyser by which BM25 reads the corpus; a warning says where `auto` could not tell a language."""
    texts = corpus.encoded_texts()
    analyser = make_analyser(config.language, [texts[row] for row in corpus.equal_texts.first])
    if config.language == AUTO and analyser.warning:
        place.console.warn(analyser.warning)
    return analyser


def find_benchmark(config: ReportConfig, inputs: Mapping[str, Path], corpus: Corpus, place: Place) -> Benchmark | None:
    """Reads the benchmark without the queries that were demonstrations; None when there is nothing to measure on.

    Queries that are left out are told. When all were demonstrations, none has a relevant document, or the run has none
    of the documents that are judged relevant, a warning says so.
    """
    shown = demonstration_queries(inputs["prompts"])
    benchmark = load_benchmark(config.benchmark, config.split, exclude=shown, key=config.benchmark_key())
    if benchmark is None:
        return None
    if not benchmark.queries:
        if taken := benchmark.left_out.get("demonstration"):
            place.console.warn(
                f"all {taken} judged queries of {benchmark.name} were shown as demonstrations, so none is left to "
                "measure with; show fewer (demonstrations.from_qrels)"
            )
        elif told := benchmark.told_left_out():
            place.console.warn(f"{told}, so it is not evaluated")
        return None
    if told := benchmark.told_left_out():
        place.console.step("queries", told)
    relevant = benchmark.relevant_documents()
    if relevant.isdisjoint(corpus.document_ids):
        place.console.warn(
            f"none of the {len(relevant)} documents judged relevant in {benchmark.name} is among this run's documents, "
            "so it is not evaluated"
        )
        return None
    return benchmark


def demonstration_queries(prompts: Path) -> set[str]:
    """Returns the ids of judged queries that were taken as demonstrations, whether a prompt shows them or not."""
    pool = PromptsFolder(prompts).pool()
    return {demonstration.query_id for demonstration in pool if demonstration.query_id}

"""Measures a model by what its examples are.

In: finished examples, a model, and files to measure on besides. Out: the parts of a GivenReport: search where examples
are pairs, agreement with grades where they are graded, labels where they are labelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.artifacts.draws import draw_rows
from engine.artifacts.examples import CONTROLS, ExamplesFolder
from engine.artifacts.forms import TEXT, Form
from engine.artifacts.model import ModelFolder
from engine.search.cross_encoder import CrossEncoder, CrossEncoderConfig
from engine.search.encoder import Encoder
from engine.search.named_models import load_named_cross_encoder, load_named_encoder
from engine.search.tuned import tuned_encoder
from eval.classification.figures import ClassificationFigures
from eval.classification.measure import LABELLED, held_out_texts, measure_labels, read_texts, trained_texts
from eval.classification.model import load_classifier
from eval.data_quality.controls import MOST_TEXTS, ControlFigures, compare_with_controls
from eval.evaluation import find_benchmark
from eval.given.pairs import read_pairs
from eval.given.rows import HELD_OUT_SPLIT
from eval.given.searched import SearchedFor, SearchFigures, measure_search
from eval.given.systems import CLASSIFIER, CROSS_ENCODER, TunedModel, systems_of_documents, systems_of_passages
from eval.given.trained import TrainedTexts, split_of_file
from eval.report import HELD_OUT, JUDGED
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import read_corpus
from eval.significance import Bootstrap
from eval.similarity.figures import BASE, TUNED, SimilarityFigures
from eval.similarity.file import similarity_of_file
from eval.similarity.measure import SIMILARITY, PairScores, cosines, measure_similarity, probabilities
from eval.sweeps.measuring import clusters_of
from eval.synthetic import held_out_queries

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from eval.config import ReportConfig


_CONTROLS_STREAM = 0x6374726C


@dataclass(frozen=True)
class Measured:
    """What was measured, by the name of the set."""

    search: Mapping[str, SearchFigures] = field(default_factory=dict)
    similarity: Mapping[str, SimilarityFigures] = field(default_factory=dict)
    classification: Mapping[str, ClassificationFigures] = field(default_factory=dict)
    controls: ControlFigures | None = None


@dataclass(frozen=True)
class Measurement:
    """A model, and what it is measured on.

    Attributes:
        config: how it is measured.
        inputs: the finished folders `examples` and `model`; those of files to measure on besides; `documents` and
            `prompts` where the model is to search documents.
        place: where the step runs.
    """

    config: ReportConfig
    inputs: Mapping[str, Path]
    place: Place

    @property
    def examples(self) -> ExamplesFolder:
        """The examples that the model was trained on, and held-out ones."""
        return ExamplesFolder(self.inputs["examples"])

    @cached_property
    def model(self) -> TunedModel:
        """What was trained."""
        folder = self.inputs["model"]
        return TunedModel(folder, ModelFolder(folder).record().family)

    @cached_property
    def encoders(self) -> dict[str, Encoder]:
        """The base, and the tuned model where it makes vectors, loaded."""
        encoders = {BASE: load_named_encoder(BASE, self.config.encoder, self.place)}
        if self.model.is_encoder:
            tuned = tuned_encoder(self.config.encoder, self.model.folder)
            encoders[TUNED] = load_named_encoder(TUNED, tuned, self.place)
        return encoders

    @property
    def bootstrap(self) -> Bootstrap:
        """How resamples are drawn."""
        return Bootstrap(self.config.resamples, self.config.seed)

    def measure(self) -> Measured:
        """Measures whatever the examples and the model allow."""
        if self.model.family == CLASSIFIER:
            return Measured(classification=self.classification(), controls=self.controls())
        return Measured(search=self.search(), similarity=self.similarity())

    def search(self) -> dict[str, SearchFigures]:
        """Measures search: in the documents of the run, or among the passages of held-out pairs."""
        if self.examples.form() not in {Form.pairs, Form.triplets}:
            return {}
        return self._search_documents() if "documents" in self.inputs else self._search_pairs()

    def similarity(self) -> dict[str, SimilarityFigures]:
        """Measures graded pairs: held-out ones, and those of a file."""
        is_graded = self.examples.form() is Form.graded
        if not is_graded and SIMILARITY not in self.inputs:
            return {}
        scorers, limit, measured = self._pair_scores(), self.config.max_held_out, dict[str, SimilarityFigures | None]()
        self.place.console.step("report", "comparing scores with grades")
        if is_graded:
            of_run = (self.examples, HELD_OUT_SPLIT)
            measured[HELD_OUT] = measure_similarity(*of_run, scorers, limit, self.bootstrap)
        if SIMILARITY in self.inputs:
            measured[SIMILARITY] = similarity_of_file(self.config, self.inputs, scorers, self.place)
        return {name: figures for name, figures in measured.items() if figures}

    def classification(self) -> dict[str, ClassificationFigures]:
        """Measures labels: of held-out texts, and of those of a file."""
        if self.examples.form() is not Form.labelled:
            return {}
        limit = self.config.max_held_out
        sets = {HELD_OUT: held_out_texts(self.examples, limit)}
        if LABELLED in self.inputs:
            file = ExamplesFolder(self.inputs[LABELLED])
            seen = TrainedTexts(self.inputs["examples"], calibrated=True)
            sets[LABELLED] = read_texts(file, split_of_file(file), limit, seen)
            if warning := seen.told(f"report.{LABELLED}"):
                self.place.console.warn(warning)
        trained, base = trained_texts(self.examples), self.encoders[BASE]
        model = load_classifier(self.model.folder, self.config.encoder.max_tokens, self.place)
        self.place.console.step("report", "naming the labels of texts")
        measured = {
            name: measure_labels(texts, trained, model, base.encode_passages, self.bootstrap)
            for name, texts in sets.items()
        }
        return {name: figures for name, figures in measured.items() if figures}

    def controls(self) -> ControlFigures | None:
        """Compares how different the texts of the run are with how different controls are; None without controls."""
        controls, of_controls = draw_rows(self.examples.control_batches(), MOST_TEXTS, _CONTROLS_STREAM, CONTROLS)
        if not of_controls:
            return None
        columns = pa.schema([("sample_id", pa.int64()), (TEXT, pa.large_string())])
        texts, _ = draw_rows(self.examples.kept_batches(columns.names), MOST_TEXTS, _CONTROLS_STREAM, columns)
        self.place.console.step("report", "comparing texts with controls")
        conditioned, others = (table[TEXT].to_pylist() for table in (texts, controls))
        figures = compare_with_controls(conditioned, others, self.encoders[BASE].encode_passages, self.config.seed)
        return replace(figures, kept=of_controls, rejected=self.examples.record().rejected_controls)

    def _pair_scores(self) -> dict[str, PairScores]:
        scorers = {name: cosines(encoder) for name, encoder in self.encoders.items()}
        if self.model.family == CROSS_ENCODER:
            scorers[TUNED] = probabilities(self._cross_encoder())
        return scorers

    def _cross_encoder(self) -> CrossEncoder:
        return load_named_cross_encoder(CrossEncoderConfig(str(self.model.folder), key="model"), self.place)

    def _search_pairs(self) -> dict[str, SearchFigures]:
        pairs = read_pairs(self.examples, self._most_queries())
        if not pairs.benchmark.queries:
            return {}
        self.place.console.step("report", f"searching {len(pairs.corpus.passage_ids):,} held-out passages")
        systems = systems_of_passages(self.config, self.model, pairs.corpus, self.encoders, self.place)
        searched = SearchedFor(
            pairs.benchmark,
            pairs.corpus,
            pairs.documents,
            self.bootstrap,
            self.config.latency_repetitions,
            pairs.all_passages,
        )
        return {HELD_OUT: measure_search(searched, systems)}

    def _search_documents(self) -> dict[str, SearchFigures]:
        config, documents = self.config, self.inputs["documents"]
        corpus = read_corpus(documents)
        judged = find_benchmark(config, self.inputs, corpus, self.place)
        held_out = held_out_queries(self.inputs["examples"], self._most_queries())
        sets = [benchmark for benchmark in (judged, held_out) if benchmark and benchmark.queries]
        systems = systems_of_documents(config, self.model, corpus, documents, self.place)
        measured = {}
        for benchmark in sets:
            self.place.console.step("report", f"searching for {len(benchmark.queries):,} queries of {benchmark.name}")
            units = _units(benchmark, corpus.original_of)
            repetitions = config.latency_repetitions if benchmark is sets[0] else 0
            kind = JUDGED if benchmark is judged else HELD_OUT
            searched = SearchedFor(benchmark, corpus, units, self.bootstrap, repetitions, kind=kind)
            key = JUDGED if kind == JUDGED and benchmark.name == HELD_OUT else benchmark.name  # no part is lost
            measured[key] = measure_search(searched, systems)
        return measured

    def _most_queries(self) -> int:
        """Returns how many held-out queries are measured on at most; fewer where something reranks."""
        config = self.config
        if self.model.family == CROSS_ENCODER or config.reranker_entries():
            return min(filter(None, (config.max_held_out, config.max_reranked)), default=0)
        return config.max_held_out


def _units(benchmark: Benchmark, original_of: Mapping[str, str]) -> dict[str, str]:
    """Returns what each query is drawn with, by query id."""
    return dict(zip(sorted(benchmark.queries), clusters_of(benchmark, original_of), strict=True))

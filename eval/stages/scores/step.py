"""The step that measures one model of several: what each query, and each graded pair, reaches with it.

In: the finished folders of the sets that are measured on, and of a model, or of none for the base; of a cross-encoder
also the model whose search it orders. Out: questions.parquet and pairs.parquet, a row per query or pair. What they are
made of is the same for every model, so that rows of two models belong together. Nothing is compared here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import QUERY, Form
from engine.artifacts.model import ModelFolder
from engine.artifacts.sweeps import StageScoresFolder, StageScoresRecord, StageTraining
from engine.errors import UserError
from engine.search.cross_encoder import CrossEncoderConfig
from engine.search.named_models import TUNED, load_named_cross_encoder, load_named_encoder, short_name
from engine.search.reranked import RerankedSystem
from engine.search.systems import Bm25System, DenseSystem, System
from engine.search.tuned import tuned_encoder
from eval.evaluation import analyser_of
from eval.given.rows import HELD_OUT_SPLIT
from eval.retrieval.metrics import evaluate
from eval.retrieval.ranking import rank_documents
from eval.similarity.measure import cosines
from eval.stages.config import BASE, FIRST, METRICS, MODEL
from eval.stages.scores.config import StageScoresConfig
from eval.stages.scores.read import Questions, read_graded, read_questions

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.encoder import Encoder

_QUESTIONS = pa.schema(
    [(name, pa.string()) for name in ("set", "split", "system", "query_id", "cluster")]
    + [(name, pa.float64()) for name in METRICS]
)
_PAIRS = pa.schema(
    [("set", pa.string()), ("split", pa.string()), ("sample_id", pa.int64()), ("cluster", pa.string())]
    + [(name, pa.float64()) for name in ("grade", "score")]
)
_MEASURED = frozenset({Form.pairs, Form.triplets, Form.graded})
"""The forms of sets that something is measured on."""
_RANKED = 100
"""The passages that are ranked for each query."""


def score_stage(config: StageScoresConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> StageScoresRecord:
    """Searches for every query, and scores every pair.

    The base is measured before anything is trained, so that what cannot be measured is refused here.

    Args:
        config: on what, and how.
        inputs: the finished folders of the sets, by their names; `model`, but for the base; `first`, the model whose
            search a cross-encoder orders, unless that is the base.
        output: the folder to write into.
        place: where the step runs.

    Raises:
        UserError: nothing is held out of any set.
    """
    _check_held_out({name: ExamplesFolder(inputs[name]) for name in config.sets})
    folder, seconds, passages = StageScoresFolder(output), dict[str, dict[str, float]](), dict[str, int]()
    encoder, counts = _encoder(config, inputs, place), {Form.pairs: 0, Form.graded: 0}
    with (
        pq.ParquetWriter(folder.questions_file, _QUESTIONS) as questions,
        pq.ParquetWriter(folder.pairs_file, _PAIRS) as pairs,
    ):
        for name in config.sets:
            examples = ExamplesFolder(inputs[name])
            if examples.form() in {Form.pairs, Form.triplets}:
                read = read_questions(examples, config.limit)
                passages[name], seconds[name] = len(read.corpus.passage_ids), {}
                place.console.step("scores", f"{name}: searching {passages[name]:,} passages")
                for system in _systems(config, inputs, read, encoder, place):
                    for table in _searched(name, system, read, seconds[name]):
                        counts[Form.pairs] += len(table)
                        questions.write_table(table)
            elif examples.form() is Form.graded and not config.depth:
                for table in _graded(name, examples, config, encoder):
                    counts[Form.graded] += len(table)
                    pairs.write_table(table)
    return StageScoresRecord(
        questions=counts[Form.pairs],
        pairs=counts[Form.graded],
        passages=passages,
        seconds_per_1000=seconds,
        training=_training(inputs),
    )


def _check_held_out(sets: Mapping[str, ExamplesFolder]) -> None:
    """Refuses sets of which nothing is held out that could be measured on."""
    for examples in sets.values():
        if examples.form() in _MEASURED and any(map(len, examples.kept_batches([QUERY], HELD_OUT_SPLIT))):
            return
    remedy = "raise examples.validation_share, or give more documents"
    raise UserError(f"nothing is held out of {', '.join(sets)} to measure on", where="stages.sets", remedy=remedy)


def _training(inputs: Mapping[str, Path]) -> StageTraining | None:
    """Returns what the table says of a training; None of the base."""
    if MODEL not in inputs:
        return None
    record = ModelFolder(inputs[MODEL]).record()
    return StageTraining(record.family, record.loss_kind, record.examples, record.batch_size, record.seconds["total"])


def _encoder(config: StageScoresConfig, inputs: Mapping[str, Path], place: Place) -> Encoder:
    """Loads the encoder: that of the stage, or the one that finds what a cross-encoder orders."""
    model = inputs.get(FIRST if config.depth else MODEL)
    if model is None:
        return load_named_encoder(BASE, config.encoder, place)
    return load_named_encoder(TUNED, tuned_encoder(config.encoder, model), place)


def _systems(
    config: StageScoresConfig, inputs: Mapping[str, Path], questions: Questions, encoder: Encoder, place: Place
) -> Iterator[System]:
    """Gives the systems that search: the model; or words and the base, where there is none."""
    from engine.search.bm25 import Bm25Index
    from engine.search.dense import DenseIndex

    corpus, report = questions.corpus, config.report
    texts = corpus.encoded_texts()
    name = MODEL if MODEL in inputs else BASE
    model = short_name(BASE if name == BASE else TUNED, encoder.config)
    with place.console.progress("encoding", len(texts), f"passages ({model})") as bar:
        vectors = encoder.encode_passages(texts, bar.advance)
    dense = DenseSystem(name, encoder, DenseIndex(corpus.passage_ids, vectors))
    if config.depth:
        scorer = load_named_cross_encoder(CrossEncoderConfig(str(inputs[MODEL]), key=MODEL), place)
        yield RerankedSystem(MODEL, dense, scorer, texts, corpus.ranks_of_ids, config.depth)
        return
    yield dense
    if name == BASE:
        terms = analyser_of(report, corpus, place).terms
        yield Bm25System(Bm25Index(corpus.passage_ids, texts, k1=report.bm25_k1, b=report.bm25_b, terms_of=terms))


def _searched(name: str, system: System, questions: Questions, seconds: dict[str, float]) -> Iterator[pa.Table]:
    """Ranks for the queries of each split, and notes the time of a thousand held-out ones, encoding included.

    A reranker is given held-out queries only: what it costs is worth no second side.
    """
    for split, benchmark in questions.benchmarks.items():
        if isinstance(system, RerankedSystem) and split != HELD_OUT_SPLIT:
            continue
        started = time.perf_counter()
        trec_run = rank_documents(system, benchmark, questions.corpus, _RANKED)
        took = time.perf_counter() - started
        scores = evaluate(trec_run, benchmark.qrels, METRICS)
        ids, count = list(scores.query_ids), len(scores.query_ids)
        if split == HELD_OUT_SPLIT:
            seconds[system.name] = round(1000 * took / count, 3)
        clusters = [questions.documents[split][query_id] for query_id in ids]
        about = {"set": [name] * count, "split": [split] * count, "system": [system.name] * count}
        yield pa.table({**about, "query_id": ids, "cluster": clusters, **scores.values}, _QUESTIONS)


def _graded(name: str, examples: ExamplesFolder, config: StageScoresConfig, encoder: Encoder) -> Iterator[pa.Table]:
    """Scores the graded pairs of each split by the cosine of their vectors."""
    for split, pairs in read_graded(examples, config.limit).items():
        count = len(pairs.ids)
        about = {"set": [name] * count, "split": [split] * count}
        scores = cosines(encoder)(pairs.firsts, pairs.seconds)
        rows = {"sample_id": pairs.ids, "cluster": pairs.clusters, "grade": pairs.grades, "score": scores}
        yield pa.table({**about, **rows}, _PAIRS)

"""A hand-made run: twelve documents, their synthetic queries, a benchmark of six questions, and rankings for both.

The folders have the files and records that the steps before the report write. Rankings come from BM25 at three
settings, so that three systems exist without a model.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import EXAMPLES, PASSAGES
from engine.artifacts.documents import DocumentsRecord
from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE, ExamplesFolder, ExamplesRecord
from engine.artifacts.model import Losses, ModelRecord
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.artifacts.samples import EngineTime, Rates, SamplesRecord
from engine.models.resolve import resolve_model
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.tracking import NoTracker
from engine.search.bm25 import Bm25Index
from engine.search.encoder import EncoderConfig
from engine.search.systems import Bm25System
from engine.search.usage import Similarity, Usage
from engine.storage.run_folders import link
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values
from engine.task.config import TaskConfig
from engine.task.render import Demonstration
from engine.text.words import words
from eval.config import ReportConfig
from eval.crossfit import Chosen, Selection
from eval.data_quality.meaning import MeaningFigures
from eval.data_quality.queries import quality_figures
from eval.evaluation import Evaluation, conclude, with_recommendation
from eval.figures import assemble, with_effort
from eval.harmless import check_with_words, fuse_models
from eval.page.evidence import Evidence, gather_evidence
from eval.recommendation import CorpusSystems
from eval.report import Choice, Report
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus, read_corpus
from eval.retrieval.latency import Latency, Percentiles
from eval.retrieval.ranking import measure
from eval.significance import Bootstrap, DifferenceFigures
from eval.step import evaluate_model
from eval.synthetic import held_out_queries
from eval.weights import FOLDS
from tests.support.places import NoEngines

DOCUMENTS = {
    "apples": ("Apples", "Store apples in a cool cellar; they keep for months when no fruit touches another."),
    "bees": ("", "A hive survives winter on honey alone, so never take more than half of what the bees made."),
    "bread": ("Bread", "Sourdough rises slowly. Fold the dough every half hour and bake it in a closed iron pot."),
    "bridges": ("Bridges", "A suspension bridge hangs its deck from cables that carry the load to two towers."),
    "candles": ("", "Beeswax candles burn longer than paraffin ones and give a light with a warmer colour."),
    "clocks": ("Clocks", "A pendulum clock gains time in winter since the cold rod is shorter and swings faster."),
    "glass": ("Glass", "Hot glass cracks when cooled too fast; an annealing oven lets it relax over a day."),
    "kites": ("", "A kite that dives needs a longer tail or a bridle knot that is moved up by a finger."),
    "knots": ("Knots", "The bowline makes a loop that never slips and still opens easily after a heavy load."),
    "maps": ("Maps", "Contour lines that lie close together mean a steep slope; far apart they mean a plain."),
    "tea": ("Tea", "Green tea turns bitter above eighty degrees; let the water cool for three minutes first."),
    "wool": ("", "Wash wool in lukewarm water without rubbing, or the fibres felt and the garment shrinks."),
}
NOUNS = ("documents", "prompts", "samples", "examples", "model")
PROMPTS_RECORD = PromptsRecord(
    planned=25,
    prefixes=1,
    prompt_tokens=9000,
    num_values={"form": 2},
    distribution={"form": {"question": 0.52, "keywords": 0.48}},
    ended_early="",
    demonstrations=1,
    demonstration_sets=1,
)
SAMPLES_RECORD = SamplesRecord(
    planned=25,
    generated=24,
    failed=1,
    prompt_tokens=8600,
    output_tokens=240,
    carried=0,
    turned_down=0,
    generation=Rates(
        samples_per_second=5.25,
        prompt_tokens_per_second=1900.0,
        output_tokens_per_second=66.0,
        prefix_cache_hit_rate=0.71,
        requests=25,
        engine_start_seconds=31.0,
        seconds=4.6,
    ),
    cost=EngineTime(cpu_seconds=9.2, gpu_seconds=0.0),
    idle=EngineTime(cpu_seconds=2.3, gpu_seconds=0.0),
)
MODEL_RECORD = ModelRecord(
    pairs_per_second=13.7,
    steps=40,
    examples=9,
    epochs=3,
    batch_size=16,
    learning_rate=2e-5,
    examples_per_epoch=9,
    loss=Losses(first=1.2, last=0.4),
    world_size=1,
    precision="fp32",
    loss_kind="ranking",
    resumed_at_step=0,
    random_negatives=0,
    seconds={"prepare": 1.0, "load": 0.5, "loop": 3.0, "save": 0.25, "total": 5.0, "start": 0.25},
)
RECORDS = {
    "documents": DocumentsRecord(reader="files", documents=12, passages=24, tokens=480, failed={}),
    "prompts": PROMPTS_RECORD,
    "samples": SAMPLES_RECORD,
    "examples": ExamplesRecord(
        kept=14,
        train=9,
        validation=5,
        rejected={"round_trip": 4, "length": 3, "duplicate": 3},
        seconds={"row_filters": 0.2},
        analyser="English: Snowball stemmer, stop words",
    ),
    "model": MODEL_RECORD,
}
CONFIGS: dict[str, dict[str, Any]] = {"samples": {"max_tokens": 48}, "model": {"epochs": 3, "base": "bundled"}}
"""The parts of the steps' settings that the report shows or computes with."""
QUESTIONS = {
    "q1": ("how do I stop fruit from rotting in winter", {"apples": 2, "bees": 0}),
    "q2": ("loop which does not slip under a heavy load", {"knots": 3, "bridges": 1}),
    "q3": ("pullover became small after the laundry <script>alert(1)</script>", {"wool": 1}),
    "q4": ("why is my drink bitter", {"tea": 1}),
    "q5": ("reading how steep a hill is", {"maps": 1}),
    "q6": ("shown to the generator", {"kites": 1}),
    "q7": ("nobody knows", {"glass": 0}),
}


def build_run(root: Path) -> dict[str, Path]:
    """Writes the folders documents, prompts, samples, examples and model (record only) below `root`."""
    folders = {noun: root / noun / f"{number:016x}" for number, noun in enumerate(NOUNS)}
    for folder in folders.values():
        folder.mkdir(parents=True)
    rows = [
        {
            "passage_id": name + suffix,
            "document_id": name,
            "title": title,
            "text": part,
            "position": 0,
            "num_tokens": 20,
        }
        for name, (title, text) in DOCUMENTS.items()
        for suffix, part in (("", text), ("#2", f"{text.split()[-1]} and so on."))
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), folders["documents"] / "passages.parquet")
    pool = [Demonstration("d", "q", query_id="q6")]
    PromptsFolder(folders["prompts"]).write_basis(TaskConfig(prompt="{{ passage.text }}"), pool, [pool])
    write_examples(folders["examples"])
    for noun, folder in folders.items():
        finish(folder, step_record(noun, folder, RECORDS[noun]))
    return folders


def step_record(noun: str, folder: Path, record: object) -> StepRecord:
    """record.json as the wrapper of the steps writes it."""
    return StepRecord(
        noun=noun,
        fingerprint=folder.name,
        inputs={},
        config=CONFIGS.get(noun, {}),
        seconds=12.5,
        peak_memory_bytes=2_000_000_000,
        record=to_json_values(record),
    )


def write_examples(folder: Path) -> None:
    """24 samples: 14 kept, 10 rejected; documents from `kites` on are held out."""
    schema = EXAMPLES.append(pa.field("condition_form", pa.string()))
    tables: dict[str, list[dict[str, object]]] = {"kept": [], "rejected": []}
    for sample_id in range(24):
        name = list(DOCUMENTS)[sample_id // 2]
        reason = ["", "", "", "round_trip", "length", "", "duplicate"][sample_id % 7]
        text = DOCUMENTS[name][1]
        row = {
            "sample_id": sample_id,
            "passage_id": name,
            "document_id": name,
            "query": " ".join(text.lower().split()[sample_id % 3 : 5 + sample_id % 4]) + " & more",
            "passage": text,
            "split": "validation" if name >= "kites" else "train",
            "reason": reason,
            "detail": "rank 12" if reason == "round_trip" else "",
            "round_trip_rank": 1,
            "logprob": -1.0,
            "condition_form": "question" if sample_id % 2 else "keywords",
        }
        tables["rejected" if reason else "kept"].append(row)
    for kind, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{kind}.parquet")


def hold_nothing_out(examples: Path) -> None:
    """Makes all documents of an examples folder ones that are trained on."""
    for name in (KEPT_FILE, REJECTED_FILE):
        table = pq.read_table(examples / name)
        place = table.schema.get_field_index("split")
        pq.write_table(table.set_column(place, "split", pa.array(["train"] * len(table))), examples / name)


def write_benchmark(folder: Path, split: str = "test") -> Path:
    """The questions as a BEIR folder."""
    (folder / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": name, "text": text}) for name, (text, _) in QUESTIONS.items()]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    judged = [f"{name}\t{doc}\t{grade}" for name, (_, grades) in QUESTIONS.items() for doc, grade in grades.items()]
    (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(judged))
    return folder


def small_benchmark() -> Benchmark:
    """The questions that an evaluation would take."""
    taken = [name for name in QUESTIONS if name not in {"q6", "q7"}]
    queries = {name: QUESTIONS[name][0] for name in taken}
    return Benchmark("tiny", queries, {name: QUESTIONS[name][1] for name in taken}, {"demonstration": 1})


def small_systems(corpus: Corpus) -> list[Bm25System]:
    """Three rankers that differ, under the names of the report."""
    ids, texts = corpus.passage_ids, corpus.texts
    upper = [" ".join(text.split()[:6]) for text in texts]
    return [
        Bm25System(Bm25Index(ids, texts)),
        Bm25System(Bm25Index(ids, upper), name="base"),
        Bm25System(
            Bm25Index(ids, [f"{title} {text}" for title, text in zip(corpus.titles, texts, strict=True)]), name="tuned"
        ),
    ]


ANALYSER = "English: Snowball stemmer, stop words"
"""The name of the analyser that the report shows."""


CHOICE = Choice(
    model="base",
    weight=0.3,
    ndcg=0.42,
    over_words=DifferenceFigures(0.12, (0.06, 0.18), 0.001),
    over_meaning=DifferenceFigures(0.02, (0.005, 0.035), 0.01),
    tuning=DifferenceFigures(0.006, (-0.002, 0.014), 0.14),
    synthetic=18,
    documents=12,
    real=5,
    judged=0,
    lost=0.56,
)
"""The way to search that the report shows."""
CHOSEN = Chosen(CHOICE, 0.3, [Selection("base", 0.3, 0.3)] * FOLDS)
"""The same, as if it had been chosen without every part of the queries too."""
MEANING = {
    "synthetic": MeaningFigures(6, 5.1, 0.7, 0.42, 0.31),
    "real": MeaningFigures(6, 5.4, 0.8, 0.35, 0.33),
}
"""What vectors say of the queries."""


def small_evaluation(folders: dict[str, Path], *, judged: bool = True) -> Evaluation:
    """What `evaluate_systems` gives, with those rankers."""
    corpus = read_corpus(folders["documents"])
    systems = small_systems(corpus)
    held_out = measure(held_out_queries(folders["examples"], 0), systems, corpus, 100)
    judged_results = measure(small_benchmark(), systems, corpus, 100) if judged else None
    sparse = Latency(search=Percentiles(0.4, 0.9))
    dense = Latency(encode=Percentiles(5.25, 7.5), search=Percentiles(0.4, 0.9))
    both = Latency(search=Percentiles(6.5, 9.0))
    latency = {"bm25": sparse, "base": dense, "tuned": dense, "base_words": both, "tuned_words": both}
    config = small_config()
    evaluation = replace(conclude(config, corpus, judged_results, held_out, analyser=ANALYSER), latency=latency)
    named = CorpusSystems({system.name: system for system in systems}, corpus, words)
    bootstrap, fused = Bootstrap(config.resamples, config.seed), fuse_models(named, held_out, 100)
    decision = check_with_words(evaluation.decision, fused, config.decision_level, bootstrap, corpus.original_of)
    evaluation = replace(evaluation, decision=decision)
    evaluation = with_recommendation(config, evaluation, named, CHOSEN, CHOICE.synthetic)
    alone = {"synthetic": replace(MEANING["synthetic"], nearest_other=None)}
    return replace(evaluation, meaning=MEANING if judged else alone, tuned=Usage("", "", Similarity.cosine))


def small_config(benchmark: str = "") -> ReportConfig:
    """A report's config on the bundled encoder; few resamples."""
    encoder = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64)
    return ReportConfig(
        benchmark=benchmark,
        resamples=500,
        latency_repetitions=2,
        encoder=encoder,
        price_per_gpu_hour=0.0,
        price_per_cpu_hour=0.072,
        seed=0,
    )


def small_report(root: Path, *, judged: bool = True) -> tuple[Report, Evidence]:
    """The report and the evidence of that evaluation, without a file written."""
    folders = build_run(root)
    evaluation = small_evaluation(folders, judged=judged)
    examples = ExamplesFolder(folders["examples"])
    quality = quality_figures(examples, evaluation.real_queries, 0, {"form": {"question": 0.75}})
    report = assemble(small_config(), folders, root / "report" / "0123456789abcdef", evaluation, quality)
    return with_effort(report, seconds=9.1, peak_memory_bytes=0), gather_evidence(examples, evaluation, 0)


def place_in(folder: Path) -> Place:
    """A place whose store is `folder/store`."""
    run_dir, memory = folder / "run", MemorySampler()
    return Place(run_dir, folder / "store", ClusterConfig(num_cpus=1), Console(), NoTracker(), memory, NoEngines())


def write_tuned_model(folder: Path) -> None:
    """The bundled encoder with noise on its word embeddings: a model that ranks otherwise."""
    from safetensors.numpy import load_file, save_file

    shutil.copytree(resolve_model("bundled:all-minilm-l6-v2", key="test"), folder, dirs_exist_ok=True)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    noise = np.random.default_rng(0).normal(scale=0.05, size=weights[name].shape)
    weights[name] = (weights[name] + noise).astype(weights[name].dtype)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def finished_run(root: Path) -> Path:
    """A run folder with links into a store, as the wrapper leaves it, its report made by the real step.

    It is made once for all tests of this process, and then copied.
    """
    shutil.copytree(_finished_run(), root, symlinks=True, dirs_exist_ok=True)
    return root / "run"


@functools.cache
def _finished_run() -> Path:
    root = Path(tempfile.mkdtemp(prefix="finished-"))
    atexit.register(shutil.rmtree, root)
    folders = build_run(root / "store")
    write_tuned_model(folders["model"])
    output = root / "store" / "report" / "00000000000000ff"
    output.mkdir(parents=True)
    config, place = small_config(str(write_benchmark(root / "tiny"))), place_in(root)
    record = evaluate_model(config, folders, output, place)
    finish(output, step_record("report", output, record))
    place.run_dir.mkdir()
    for noun, folder in {**folders, "report": output}.items():
        link(place.run_dir, noun, folder)
    return root

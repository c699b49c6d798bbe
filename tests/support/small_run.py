"""A hand-made run: twelve documents, their synthetic queries, a benchmark of six questions, and rankings for both.

The folders have the files and records that the steps before the report write. Rankings come from BM25 at three
settings, so that three systems exist without a model.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import EXAMPLES, PASSAGES
from engine.artifacts.examples import ExamplesFolder
from engine.generation.pools import EnginePools
from engine.models.resolve import resolve_model
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.tracking import NoTracker
from engine.search.bm25 import Bm25Index
from engine.search.encoder import EncoderConfig
from engine.storage.run_folders import link
from engine.storage.store import finish
from engine.storage.typed import to_json_values
from engine.task.config import TaskConfig
from eval.config import ReportConfig
from eval.data_quality import quality_figures
from eval.decision import decide, held_out_queries
from eval.evaluation import Evaluation
from eval.figures import assemble
from eval.page.evidence import Evidence, gather_evidence
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.ranking import measure
from eval.retrieval.systems import Bm25System, Corpus, read_corpus
from eval.significance import Bootstrap
from eval.step import evaluate_model

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
    sets = {"demonstration_set": [0], "document": ["d"], "query": ["q"], "query_id": ["q6"]}
    pq.write_table(pa.table(sets), folders["prompts"] / "demonstration_sets.parquet")
    pq.write_table(pa.table(sets), folders["prompts"] / "demonstration_pool.parquet")
    (folders["prompts"] / "task.json").write_text(json.dumps(to_json_values(TaskConfig(prompt="{{ passage.text }}"))))
    write_examples(folders["examples"])
    for noun, folder in folders.items():
        config = {"max_tokens": 48} if noun == "samples" else {}
        record = {"noun": noun, "fingerprint": folder.name, "inputs": {}, "config": config, "seconds": 12.5}
        finish(folder, {**record, "peak_memory_bytes": 2_000_000_000, "record": RECORDS[noun]})
    return folders


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


def small_evaluation(folders: dict[str, Path], *, judged: bool = True) -> Evaluation:
    """What `evaluate_systems` gives, with those rankers."""
    corpus = read_corpus(folders["documents"])
    systems = small_systems(corpus)
    held_out = measure(held_out_queries(folders["examples"]), systems, corpus, 100)
    bootstrap = Bootstrap(resamples=500)
    latency = {name: {"search": {"p50_ms": 0.4, "p95_ms": 0.9}} for name in ("bm25", "base", "tuned")}
    return Evaluation(
        corpus,
        measure(small_benchmark(), systems, corpus, 100) if judged else None,
        held_out,
        decide(held_out.scores["base"], held_out.scores["tuned"], bootstrap),
        latency,
        bootstrap,
    )


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


def small_report(root: Path, *, judged: bool = True) -> tuple[dict[str, Any], Evidence]:
    """The report and the evidence of that evaluation, without a file written."""
    folders = build_run(root)
    evaluation = small_evaluation(folders, judged=judged)
    report = assemble(small_config(), folders, root / "report" / "0123456789abcdef", evaluation)
    examples = ExamplesFolder(folders["examples"])
    kept, rejected = examples.kept(), examples.rejected()
    real = evaluation.judged.benchmark.queries if evaluation.judged else {}
    report["data_quality"] = quality_figures((kept, rejected), real, 0, {})
    report["seconds"]["report"] = 9.1
    return report, gather_evidence(kept, rejected, evaluation, 0)


def place_in(folder: Path) -> Place:
    """A place whose store is `folder/store`."""
    run_dir = folder / "run"
    memory, engines = MemorySampler(), EnginePools()
    return Place(run_dir, folder / "store", ClusterConfig(num_cpus=1), Console(), NoTracker(), memory, engines)


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
    """A run folder with links into a store, as the wrapper leaves it, its report made by the real step."""
    folders = build_run(root / "store")
    write_tuned_model(folders["model"])
    output = root / "store" / "report" / "00000000000000ff"
    output.mkdir(parents=True)
    config, place = small_config(str(write_benchmark(root / "tiny"))), place_in(root)
    record = evaluate_model(config, folders, output, place)
    finish(output, {"noun": "report", "fingerprint": output.name, "record": record})
    place.run_dir.mkdir()
    for noun, folder in {**folders, "report": output}.items():
        link(place.run_dir, noun, folder)
    return place.run_dir


NOUNS = ("documents", "prompts", "samples", "examples", "model")
RECORDS: dict[str, dict[str, object]] = {
    "documents": {"documents": 12, "passages": 24},
    "prompts": {"planned": 25, "prompt_tokens": 9000},
    "samples": {
        "planned": 25,
        "generated": 24,
        "failed": 1,
        "prompt_tokens": 8600,
        "output_tokens": 240,
        "cost": {"cpu_seconds": 9.2, "gpu_seconds": 0.0},
        "generation": {
            "samples_per_second": 5.25,
            "prompt_tokens_per_second": 1900.0,
            "output_tokens_per_second": 66.0,
            "prefix_cache_hit_rate": 0.71,
            "engine_start_seconds": 31.0,
        },
    },
    "examples": {"kept": 14, "rejected": {"round_trip": 4, "length": 3, "duplicate": 3}},
    "model": {"pairs_per_second": 13.7, "steps": 40, "examples": 9},
}

"""report.json: figures of this step and of all before it, under the names that others rely on.

In: an Evaluation and the records of the steps. Out: one dictionary of plain JSON values. Nothing is computed twice:
what a step measured of itself is taken from its record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.artifacts.prompts import PromptsFolder
from engine.storage.store import read_record
from engine.storage.typed import to_json_values
from engine.task.turns import output_limit
from eval.cost import Prices, cost_figures
from eval.evaluation import Evaluation
from eval.retrieval.metrics import METRICS, Scores
from eval.retrieval.ranking import Results
from eval.retrieval.systems import SYSTEMS
from eval.significance import Bootstrap

if TYPE_CHECKING:
    from eval.config import ReportConfig


GENERATION = (
    "samples_per_second",
    "prompt_tokens_per_second",
    "output_tokens_per_second",
    "prefix_cache_hit_rate",
    "engine_start_seconds",
)


TRAINING = ("pairs_per_second", "steps", "examples")


def assemble(config: ReportConfig, inputs: Mapping[str, Path], output: Path, evaluation: Evaluation) -> dict[str, Any]:
    """Everything in report.json but the data quality and the report's own seconds."""
    records: dict[str, dict[str, Any]] = {noun: to_json_values(read_record(folder)) for noun, folder in inputs.items()}
    inner = {noun: record["record"] for noun, record in records.items()}
    judged = evaluation.judged
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "documents": inner.get("documents", {}) | {"passages": len(evaluation.corpus.passage_ids)},
        "samples": pick(inner["samples"], ("planned", "generated", "failed")),
        "examples": pick(inner["examples"], ("kept", "rejected")),
        "cost": cost(config, records, inputs["prompts"]),
        "generation": pick(inner["samples"].get("generation", {}), GENERATION),
        "training": pick(inner["model"], TRAINING),
        "retrieval": {judged.benchmark.name: compare(judged, evaluation)} if judged else {},
        "held_out": compare(evaluation.held_out, evaluation),
        "decision": evaluation.decision.as_json(),
        "latency": evaluation.latency,
        "settings": settings(config) | {"training": records["model"].get("config", {})},
        "fingerprints": {noun: record["fingerprint"] for noun, record in records.items()} | {"report": output.name},
        "seconds": {noun: record["seconds"] for noun, record in records.items()},
        "peak_memory_bytes": max(int(record["peak_memory_bytes"]) for record in records.values()),
    }


def cost(config: ReportConfig, records: Mapping[str, Mapping[str, Any]], prompts: Path) -> dict[str, Any]:
    """What generation was forecast to cost, and what it cost."""
    inner = {noun: records[noun]["record"] for noun in ("prompts", "samples", "examples")}
    max_tokens = records["samples"].get("config", {}).get("max_tokens")
    if max_tokens is not None:
        max_tokens = output_limit(PromptsFolder(prompts).task(), max_tokens)
    prices = Prices(config.price_per_gpu_hour, config.price_per_cpu_hour)
    return cost_figures(inner["prompts"], inner["samples"], inner["examples"]["kept"], max_tokens, prices)


def compare(results: Results, evaluation: Evaluation) -> dict[str, Any]:
    """Means of every system, the intervals of those means, and tuned minus base, each per metric."""
    bootstrap = evaluation.bootstrap
    means = {name: results.scores[name].means() for name in SYSTEMS}
    intervals = {name: _intervals(results.scores[name], bootstrap) for name in SYSTEMS}
    base, tuned = results.scores["base"].values, results.scores["tuned"].values
    difference = {name: bootstrap.difference(base[name], tuned[name]).as_json() for name in METRICS}
    return {
        **means,
        "difference": difference,
        "ci95": intervals,
        "queries": len(results.benchmark.queries),
        "left_out": dict(results.benchmark.left_out),
        "relevant_documents_missing": results.benchmark.missing_documents(set(evaluation.corpus.document_ids)),
    }


def pick(record: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The named values of a record; one that its step did not report is None, never invented."""
    return {name: record.get(name) for name in names}


def settings(config: ReportConfig) -> dict[str, Any]:
    """What a reader needs to repeat the measurement, as it was set."""
    return {
        "benchmark": config.benchmark,
        "split": config.split,
        "k": config.k,
        "bm25": {"k1": config.bm25_k1, "b": config.bm25_b},
        "bootstrap": {"resamples": config.resamples, "seed": config.seed, "decision_level": config.decision_level},
        "encoder": {name: getattr(value, "value", value) for name, value in asdict(config.encoder).items()},
    }


def _intervals(scores: Scores, bootstrap: Bootstrap) -> dict[str, list[float]]:
    found = {name: bootstrap.mean(values) for name, values in scores.values.items()}
    return {name: [interval.low, interval.high] for name, interval in found.items()}

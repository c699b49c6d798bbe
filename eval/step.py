"""The report step measures the models on what all other steps left, and writes the report.

In: the folders of all other steps. Out: report.json, report.html, per_query.parquet and .tsv, TREC runs with the
judgements they were scored on. This file is the order of things; each thing has a module of its own.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.report import ReportRecord
from engine.storage.store import StepRecord, Store, read_record
from eval.config import ReportConfig
from eval.data_quality.queries import quality_figures, read_targets
from eval.evaluation import evaluate_systems
from eval.figures import assemble, with_effort
from eval.files import write_evaluation, write_report
from eval.page.evidence import gather_evidence
from eval.rounds import earlier_rounds

if TYPE_CHECKING:
    from engine.runtime.place import Place


def evaluate_model(config: ReportConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> ReportRecord:
    """Measures BM25, base and tuned, alone and with words, chooses how to search, and writes the report.

    Args:
        config: what to measure on, and how.
        inputs: the finished folders `documents`, `prompts`, `samples`, `examples` and `model`.
        output: the folder to write into.
        place: where the step runs; its cache has the passages as the base model encoded them.
    """
    started = time.monotonic()
    evaluation = evaluate_systems(config, inputs, place)
    examples = ExamplesFolder(inputs["examples"])
    quality = quality_figures(examples, evaluation.real_queries, config.seed, read_targets(inputs["prompts"]))
    earlier = earlier_rounds(read_record(inputs["samples"]), functools.partial(_record_of, place))
    report = assemble(config, inputs, output, evaluation, quality, earlier=earlier)
    report = with_effort(report, seconds=time.monotonic() - started, peak_memory_bytes=place.memory.peak_bytes())
    write_evaluation(output, evaluation)
    write_report(output, report, gather_evidence(examples, evaluation, config.seed))
    values = report.as_json()
    parts = {name: values[name] for name in ("decision", "retrieval", "held_out")}
    return ReportRecord(queries=len(evaluation.shown.benchmark.queries), **parts)


def _record_of(place: Place, noun: str, fingerprint: str) -> StepRecord | None:
    """Reads the record of a step that need not be on this disk; None where it was removed."""
    folder = Store(place.store_dir).folder(noun, fingerprint)
    return place.shared.record(folder) if place.shared.has(folder) else None

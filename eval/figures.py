"""Gathers the figures of this step and of all before it into one Report.

In: an Evaluation, the data quality, and the finished folders of the other steps. Out: a Report. Nothing is computed
twice: what a step measured of itself is taken from its record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.documents import DocumentsFolder, DocumentsRecord
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.model import ModelFolder
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import Rates, SamplesFolder, SamplesRecord
from engine.storage.store import StepRecord, read_record
from engine.task.compiled import compile_task
from eval.asking.answers import is_made_up
from eval.cost import Cost, Prices, cost_figures
from eval.data_quality.queries import DataQuality
from eval.evaluation import Evaluation
from eval.report import (
    Bm25Settings,
    BootstrapSettings,
    ExampleCounts,
    GenerationRates,
    Report,
    SampleCounts,
    Settings,
    TrainingFigures,
)
from eval.rounds import Round, in_all_rounds, seconds_of_rounds
from eval.times import phase_times

if TYPE_CHECKING:
    from eval.config import ReportConfig


def assemble(
    config: ReportConfig,
    inputs: Mapping[str, Path],
    output: Path,
    evaluation: Evaluation,
    quality: DataQuality,
    *,
    earlier: Sequence[Round] | None = (),
) -> Report:
    """Gathers everything that the report says but the time and memory of its own step, which `with_effort` adds.

    Args:
        config: of the report.
        inputs: the folders of the other steps.
        output: that of this one.
        evaluation: what was measured.
        quality: of the queries.
        earlier: the rounds before the last one; None where nobody knows them any more, nor what they cost.
    """
    steps = {noun: read_record(folder) for noun, folder in inputs.items()}
    seconds = seconds_of_rounds(steps, earlier or ())
    samples = in_all_rounds(SamplesFolder(inputs["samples"]).record(), earlier or ())
    examples = ExamplesFolder(inputs["examples"]).record()
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        documents=_documents(inputs["documents"], evaluation),
        samples=SampleCounts(samples.planned, samples.generated, samples.failed, is_made_up(inputs["samples"])),
        examples=ExampleCounts(examples.kept, examples.rejected),
        cost=_cost(config, inputs, steps["samples"], samples if earlier is not None else None),
        generation=_generation_rates(samples.generation),
        training=training_figures(inputs["model"]),
        retrieval=evaluation.retrieval,
        held_out=evaluation.held_out_figures,
        decision=evaluation.decision,
        latency=evaluation.latency,
        settings=_settings(config, steps["model"], evaluation, examples.analyser),
        fingerprints={noun: step.fingerprint for noun, step in steps.items()} | {"report": output.name},
        seconds=seconds,
        peak_memory_bytes=max(step.peak_memory_bytes for step in steps.values()),
        data_quality=replace(quality, meaning=evaluation.meaning),
        recommendation=evaluation.recommendation,
        query_log=evaluation.log,
        indexes=evaluation.indexes,
        reranking=evaluation.reranking,
        similarity=evaluation.similarity,
        times=phase_times(
            seconds,
            samples,
            examples,
            ModelFolder(inputs["model"]).record(),
        ),
    )


def with_effort(report: Report, *, seconds: float, peak_memory_bytes: int) -> Report:
    """Returns the report with the time of its own step, and with the largest memory of all steps."""
    return replace(
        report,
        seconds={**report.seconds, "report": round(seconds, 3)},
        peak_memory_bytes=max(report.peak_memory_bytes, peak_memory_bytes),
    )


def _documents(folder: Path, evaluation: Evaluation) -> DocumentsRecord:
    """Returns what the documents step recorded, with the number of passages that were searched."""
    return replace(DocumentsFolder(folder).record(), passages=len(evaluation.corpus.passage_ids))


def _cost(config: ReportConfig, inputs: Mapping[str, Path], step: StepRecord, in_all: SamplesRecord | None) -> Cost:
    """Returns what generation was forecast to cost, and what it cost in all rounds, where that is known."""
    prompts = PromptsFolder(inputs["prompts"])
    max_tokens = step.config.get("max_tokens")
    cost = cost_figures(
        prompts.record(),
        in_all or SamplesFolder(inputs["samples"]).record(),
        ExamplesFolder(inputs["examples"]).record().kept,
        None if max_tokens is None else compile_task(prompts.task()).output_limit(max_tokens),
        Prices(config.price_per_gpu_hour, config.price_per_cpu_hour),
    )
    return cost if in_all else replace(cost, cpu_seconds=None, gpu_seconds=None, price=None, price_per_1000_kept=None)


def _generation_rates(rates: Rates) -> GenerationRates:
    return GenerationRates(
        samples_per_second=rates.samples_per_second,
        prompt_tokens_per_second=rates.prompt_tokens_per_second,
        output_tokens_per_second=rates.output_tokens_per_second,
        prefix_cache_hit_rate=rates.prefix_cache_hit_rate,
        engine_start_seconds=rates.engine_start_seconds,
    )


def training_figures(folder: Path) -> TrainingFigures:
    """Returns how a finished model folder was trained."""
    model = ModelFolder(folder).record()
    return TrainingFigures(
        pairs_per_second=model.pairs_per_second,
        steps=model.steps,
        examples=model.examples,
        epochs=model.epochs,
        batch_size=model.batch_size,
        learning_rate=model.learning_rate,
        loss=model.loss_kind,
        precision=model.precision,
        base_share=model.base_share,
    )


def _settings(config: ReportConfig, model: StepRecord, evaluation: Evaluation, round_trip: str) -> Settings:
    held_out = evaluation.held_out_figures
    cut = sum(held_out.left_out.values())
    return Settings(
        benchmark=config.benchmark,
        split=config.split,
        k=config.k,
        bm25=Bm25Settings(config.bm25_k1, config.bm25_b, evaluation.analyser, round_trip),
        bootstrap=BootstrapSettings(config.resamples, config.seed, config.decision_level),
        encoder=config.encoder.settled(),
        training=model.config,
        held_out={"drawn": held_out.queries, "of": held_out.queries + cut} if cut else {},
        tuned=evaluation.tuned,
    )

"""What a sweep goes by: one figure of each run, which no test half has a part in.

In: the name of a metric. Out: its value in a finished run, or a refusal where no step of the run reports it. Figures on
judged questions of the report are none of the metrics: settings that were chosen by them could not be measured on them.
Judged questions to choose by are named as `model.validation.judged`, and then count in `validation`.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from engine.artifacts.documents import DocumentsRecord
from engine.artifacts.examples import ExamplesRecord
from engine.artifacts.model import ModelFolder, ModelRecord
from engine.artifacts.prompts import PromptsRecord
from engine.artifacts.samples import SamplesRecord
from engine.errors import UserError, suggest
from engine.pipeline.config import RunConfig, last_noun, nouns_of
from engine.storage.store import read_record
from eval.report import Report, read_report
from eval.retrieval.metrics import HEADLINE
from training.config import SCORERS

VALIDATION, HELD_OUT = "validation", "held_out"
TRACKED = "validation_ndcg_at_10"
"""The figure that the model step tracks at each validation."""
_RECORDS: Mapping[str, type] = {
    "documents": DocumentsRecord,
    "prompts": PromptsRecord,
    "samples": SamplesRecord,
    "examples": ExamplesRecord,
    "model": ModelRecord,
}
"""The records whose figures are metrics too, by noun."""
WORDS = {
    VALIDATION: "nDCG@10 of the validation while training (model.validation)",
    HELD_OUT: "nDCG@10 on the synthetic queries of held-out documents",
}
"""The metrics that are not a figure of a record, in words."""


def metrics() -> dict[str, str]:
    """Returns the noun that reports each metric, by the metric's name."""
    own = {VALIDATION: "model", HELD_OUT: "report"}
    return own | {f"{noun}.{name}": noun for noun, record in _RECORDS.items() for name in _figures(record)}


def default_metric(config: RunConfig) -> str:
    """Returns what a run is judged by where nothing is said: its report, or else its validation."""
    return HELD_OUT if _reaches(config, "report") and config.model.family not in SCORERS else VALIDATION


def check_metric(metric: str, config: RunConfig, where: str) -> None:
    """Refuses a metric that a run would not report, or that different points would not measure on the same queries.

    Raises:
        UserError: there is no such metric, or none of the run's steps reports it.
    """
    known = metrics()
    if metric not in known:
        what, remedy = f"there is no metric {metric!r}", suggest(metric, known)
        if metric.startswith(("report", "retrieval")):
            what = f"{metric!r} may rest on the report's judged questions, which nothing is chosen by"
            remedy = f"use {HELD_OUT}, or {VALIDATION} with development questions (model.validation.judged)"
        raise UserError(what, where=where, remedy=remedy)
    if not _reaches(config, known[metric]):
        remedy = f"choose another, or let the run make its {known[metric]} (until)"
        raise UserError(
            f"no step reports {metric!r}: the run ends with {last_noun(config)}", where=where, remedy=remedy
        )
    if metric in WORDS and config.model.family in SCORERS:
        what = f"{config.model.family.with_article} searches nothing, so that no step reports {metric!r}"
        raise UserError(what, where=where, remedy="choose a figure such as model.loss.last, with mode: min")
    if metric == VALIDATION:
        _check_validation(config, where)


def _check_validation(config: RunConfig, where: str) -> None:
    if not config.model.validation.every:
        what = "validations that training times for itself are of more or fewer queries from point to point"
        remedy = "set how many steps lie between two, for example model.validation.every=10"
        raise UserError(what, where=f"{where}: model.validation.every={config.model.validation.every}", remedy=remedy)


def read_metric(metric: str, run_dir: Path) -> float:
    """Reads a metric of a finished run, a finite number.

    Raises:
        UserError: the run did not measure it, or it came to no number.
    """
    value = _read(metric, run_dir)
    if not math.isfinite(value):
        remedy = "see the run's log; a point without a score counts as failed"
        raise UserError(f"its {metric} is {value}", where=str(run_dir), remedy=remedy)
    return value


def _read(metric: str, run_dir: Path) -> float:
    if metric == HELD_OUT:
        report = read_report(run_dir / "report")
        if not report.held_out.queries:
            remedy = "hold more documents out, or let more samples pass the filters"
            raise UserError("no query of a held-out document is left to measure on", where=str(run_dir), remedy=remedy)
        return _held_out(report)
    if metric == VALIDATION:
        record = ModelFolder(run_dir / "model").record().validation
        if record is None:
            remedy = "set model.validation.every to fewer steps than a training has, or hold more documents out"
            raise UserError("the model was not validated", where=str(run_dir), remedy=remedy)
        return next(validated.ndcg for validated in record.curve if validated.step == record.kept_step)
    noun, _, name = metric.partition(".")
    value: Any = read_record(run_dir / noun).record
    for part in name.split("."):
        value = value[part]
    return float(value)


def _held_out(report: Report) -> float:
    """Reads what the recommended system reaches on held-out queries.

    Where judged questions had a part in the recommendation, it is the model of the decision, in which they had none.
    With words means half and half, at which the check for harm measured both models on these queries.
    """
    choice, decision = report.choice, report.decision
    if choice is None or choice.judged:
        return report.held_out.means(decision.model)[HEADLINE]
    if choice.weight in (0.0, 1.0):
        return report.held_out.means(choice.system)[HEADLINE]
    if decision.fused is None:
        return report.held_out.means(choice.model)[HEADLINE]
    return decision.fused.tuned if choice.model == "tuned" else decision.fused.base


def _reaches(config: RunConfig, noun: str) -> bool:
    nouns, last = nouns_of(config), last_noun(config)
    return noun in nouns and last in nouns and nouns.index(noun) <= nouns.index(last)


def _figures(record: Any, prefix: str = "") -> Iterator[str]:
    """Gives the names of the numbers in a record, those of records inside it after the name of these."""
    kinds = typing.get_type_hints(record)
    for name in (field.name for field in fields(record)):
        if kinds[name] in (int, float):
            yield f"{prefix}{name}"
        elif isinstance(kinds[name], type) and is_dataclass(kinds[name]):
            yield from _figures(kinds[name], f"{prefix}{name}.")

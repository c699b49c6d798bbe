"""Renders report.html of a run without documents, on one self-contained page.

In: a GivenReport. Out: HTML. This module turns figures into what the template shows; the words are in words.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval import wording
from eval.classification.figures import ClassificationFigures, WrongText
from eval.data_quality.controls import CONDITIONED, CONTROLS, ControlFigures
from eval.given.charts import reliability
from eval.given.config import TEMPLATE
from eval.given.figures import GivenReport
from eval.given.searched import METRICS, SearchedSystem, SearchFigures
from eval.given.words import (
    METRIC_NAMES,
    RULES,
    count,
    diversity_beside_controls,
    findings,
    headline,
    lead,
    system_name,
)
from eval.page.charts import Curve, curve_names, curves
from eval.page.reranking import rerank_parts
from eval.page.similarity import level, similarity_parts
from eval.report import HELD_OUT
from eval.retrieval.metrics import HEADLINE
from eval.significance import DifferenceFigures
from eval.sweeps.page import render

MOST_LABELS = 20
"""With more labels than this a confusion matrix is not shown, but the most common confusions are."""
_CONFUSIONS = 10
_DASH = "\u2013"
_LOOKS = {CONDITIONED: "tuned dash-0", CONTROLS: "base dash-2"}
"""The CSS classes of lines."""


@dataclass(frozen=True)
class Row:
    """One system, in words; `difference` is that to the system beside it."""

    name: str
    cells: Sequence[str]
    beside: str
    difference: str
    trend: str
    seconds: str = ""


@dataclass(frozen=True)
class SearchPart:
    """A set of queries on the page."""

    title: str
    passages: str
    by: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class MatrixRow:
    """A true label with its counts, and how strongly each cell is coloured, in percent of its row."""

    label: str
    cells: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class ControlsPart:
    """Texts beside controls on the page."""

    sentence: str
    rows: Sequence[Row]
    growth: Markup
    growth_names: Markup
    """The names of its curves, at their ends."""
    legend: Mapping[str, str]
    """The same names by the CSS classes of the curves, for narrow screens."""


@dataclass(frozen=True)
class ClassificationPart:
    """A set of labelled texts on the page."""

    title: str
    documents: int
    several: bool
    metrics: Sequence[str]
    rows: Sequence[Row]
    labels: Sequence[Row]
    names: Sequence[str]
    matrix: Sequence[MatrixRow]
    confusions: Sequence[str]
    reliability: Markup
    calibration: Sequence[Row]
    temperature: str
    note: str
    wrong: Sequence[WrongText]


def render_given(report: GivenReport) -> str:
    """Renders the page as text."""
    training = report.training
    return render(
        TEMPLATE,
        {
            "title": headline(report),
            "eyebrow": f"report · {report.family.replace('_', '-')} · {report.created[:10]}",
            "lead": lead(report),
            "footer": f"Written by synthmill on {report.created}. Every figure is in report.json.",
            "report": report,
            "training": training,
            "others": [finding.sentence for finding in findings(report)[1:]],
            "metrics": [METRIC_NAMES[metric] for metric in METRICS],
            "searches": [_search(figures, name) for name, figures in report.search.items()],
            "similarities": similarity_parts(report.similarity),
            "classifications": [_classification(figures, name) for name, figures in report.classification.items()],
            "controls": _controls(report.controls) if report.controls else None,
            "rerankers": [part for figures in report.search.values() for part in rerank_parts(figures.reranking)],
        },
    )


def _search(figures: SearchFigures, name: str) -> SearchPart:
    more = f" of {figures.all_passages:,}" if figures.all_passages > figures.passages else ""
    return SearchPart(
        title=count(figures, name),
        passages=f"{figures.passages:,}{more}",
        by=f"{figures.clusters:,} {'documents' if figures.cluster == 'document' else 'queries'}",
        rows=[_system_row(system, each) for system, each in figures.systems.items()],
    )


def _system_row(name: str, figures: SearchedSystem) -> Row:
    difference = figures.difference.get(HEADLINE)
    cells = [f"{figures.means[metric]:.3f}" for metric in METRICS]
    return _row(system_name(name), cells, difference, system_name(figures.beside), f"{figures.seconds_per_1000:,.1f}")


def _row(
    name: str, cells: Sequence[str], difference: DifferenceFigures | None, beside: str = "", seconds: str = ""
) -> Row:
    if difference is None:
        return Row(name, cells, "", _DASH, "unclear", seconds)
    return Row(name, cells, beside, wording.with_interval(difference), wording.trend_of(difference), seconds)


def _classification(figures: ClassificationFigures, name: str) -> ClassificationPart:
    metrics = [metric for metric in next(iter(figures.systems.values())) if figures.several or metric != "micro_f1"]
    rows = []
    for system, levels in figures.systems.items():
        beside = figures.difference.get(system)
        cells = [level(levels[metric], figures.ci95[system][metric]) for metric in metrics]
        rows.append(_row(RULES[system], cells, beside["macro_f1"] if beside else None))
    labels = [
        Row(label, [f"{each.precision:.3f}", f"{each.recall:.3f}", f"{each.f1:.3f}", f"{each.support:,}"], "", "", "")
        for label, each in figures.by_label.items()
    ]
    calibrations = [
        Row(when, [f"{each.ece:.3f}", f"{each.brier:.3f}"], "", "", "") for when, each in figures.calibration.items()
    ]
    return ClassificationPart(
        title=count(figures, name),
        documents=figures.documents,
        several=figures.several,
        metrics=[_metric_name(metric, several=figures.several) for metric in metrics],
        rows=rows,
        labels=labels,
        names=figures.labels,
        matrix=_matrix(figures) if len(figures.labels) <= MOST_LABELS else [],
        confusions=_confusions(figures),
        reliability=reliability(figures.calibration),
        calibration=calibrations,
        temperature=" and ".join(f"{each:.3g}" for each in figures.temperatures or (figures.temperature,)),
        note=_note(figures, name),
        wrong=figures.wrong,
    )


def _controls(figures: ControlFigures) -> ControlsPart:
    rows = [
        Row(
            name,
            [
                f"{sample.texts:,}",
                f"{figures.mean_words[name]:.1f}",
                *(wording.share(share, 1) for share in sample.distinct.values()),
                f"{sample.self_bleu:.3f}",
                f"{sample.vendi:.1f}",
                f"{sample.dispersion:.3f}",
            ],
            "",
            "",
            "",
        )
        for name, sample in figures.samples.items()
    ]
    drawn = [Curve(_LOOKS[name], name, growth) for name, growth in figures.growth.items()]
    growth = curves(drawn, "Share of different pairs of words, by number of pairs")
    legend = {curve.kind: curve.name for curve in drawn}
    return ControlsPart(diversity_beside_controls(figures), rows, growth, curve_names(drawn), legend)


def _note(figures: ClassificationFigures, name: str) -> str:
    """Says where the temperature was found, and whether it flatters."""
    if figures.temperatures:
        return "Each half of the texts has the temperature that was found on the other half."
    if name == HELD_OUT:
        return "The temperature was found on these texts, of which there are too few to halve them, and flatters."
    return "The temperature was found on held-out texts of the run."


def _metric_name(metric: str, *, several: bool) -> str:
    return "all labels right" if several and metric == "accuracy" else METRIC_NAMES[metric]


def _matrix(figures: ClassificationFigures) -> list[MatrixRow]:
    rows = []
    for label, counts in zip(figures.labels, figures.confusion, strict=False):
        total = sum(counts) or 1
        rows.append(MatrixRow(label, [(number, round(100 * number / total)) for number in counts]))
    return rows


def _confusions(figures: ClassificationFigures) -> list[str]:
    """Says which labels are taken for which, the most common confusions first."""
    pairs: Mapping[tuple[str, str], int] = {
        (label, given): number
        for label, counts in zip(figures.labels, figures.confusion, strict=False)
        for given, number in zip(figures.labels, counts, strict=True)
        if number and label != given
    }
    most = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:_CONFUSIONS]
    return [f"{label} taken for {given}: {pairs[label, given]:,}" for label, given in most]

"""Renders report.html, one self-contained page that opens anywhere, without a network.

In: a Report and the evidence. Out: HTML. This module turns figures into what the template shows;
templates/report.html holds the words, templates/report.css the looks, plots.py the charts. Jinja2 escapes every
text, and a content security policy in the page forbids whatever would leave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from engine.search.fusion import POOL
from engine.storage.typed import flatten, to_json_values
from engine.text.durations import format_seconds
from eval import advice, wording
from eval.config import TEMPLATES
from eval.crossfit import COLUMN
from eval.data_quality.queries import DataQuality
from eval.decision import LEAST_DOCUMENTS, TOLERATED
from eval.page.evidence import Evidence
from eval.page.indexes import index_note, index_rows
from eval.page.plots import Axis, Mark, axis_labels, histogram, nice_axis, strip
from eval.page.query_log import log_section
from eval.page.reranking import rerank_parts
from eval.page.similarity import similarity_parts
from eval.page.systems import compared_with, system_charts, system_rows
from eval.report import Report, Settings
from eval.retrieval.corpus import SYSTEMS
from eval.retrieval.figures import RetrievalFigures
from eval.retrieval.metrics import HEADLINE, METRICS
from eval.times import idle_sentence

QUALITY_AXIS = nice_axis(0, 1)
"""The axis of all metrics."""


@dataclass(frozen=True)
class QualityRow:
    """A metric: a chart of the three systems, a chart of the difference, and both in words."""

    metric: str
    levels: Markup
    difference: Markup
    text: str
    trend: str
    means: Mapping[str, str]
    """Means as texts, by system."""


@dataclass(frozen=True)
class QualityChart:
    """A row per metric, and the axes below them."""

    rows: Sequence[QualityRow]
    levels_axis: Markup
    difference_axis: Markup
    queries: int


@dataclass(frozen=True)
class Bar:
    """A count with its share of the plan in words; `percent` is the length of its bar."""

    name: str
    count: int
    share: str
    percent: float


@dataclass(frozen=True)
class Funnel:
    """The samples that were left after each stage, and those that each reason took."""

    stages: Sequence[Bar]
    losses: Sequence[Bar]


@dataclass(frozen=True)
class Span:
    """One step's part of the whole time."""

    noun: str
    percent: float
    text: str


def render_page(report: Report, evidence: Evidence) -> str:
    """Renders the whole page as text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": wording.figure,
        "signed": wording.signed,
        "seconds": format_seconds,
        "gigabytes": wording.gigabytes,
        "system_name": advice.system_name,
        "lower_first": lambda text: text[:1].lower() + text[1:],
    }
    return environment.get_template("report.html").render(page_values(report, evidence))


def page_values(report: Report, evidence: Evidence) -> dict[str, object]:
    """Returns everything that the template names."""
    name, figures = wording.shown_results(report)
    known = report.recommendation
    shows_held_out = bool(report.retrieval and report.held_out.queries)
    return {
        "report": report,
        "evidence": evidence,
        "name": name,
        "figures": figures,
        "judged": bool(report.retrieval),
        "questions": wording.questions(report),
        "by_cluster": wording.by_cluster(figures),
        "headline": wording.headline(report),
        "made_up": wording.MADE_UP if report.samples.is_made_up else "",
        "advice": advice.advice(report),
        "choice": advice.choice_reason(report.choice) if report.choice else "",
        "tuning": advice.tuning_sentence(report.choice) if report.choice else "",
        "tuning_rows": tuning_rows(report),
        "measured": advice.measured_sentence(report),
        "reranker": advice.reranker_sentence(report),
        "crossfit": advice.crossfit_sentence(report),
        "crossfit_column": COLUMN,
        "harm_title": advice.harm_title(report),
        "decision_reason": advice.decision_reason(report),
        "not_known": advice.not_known(known) if known else [],
        "system_rows": system_rows(report),
        "compared_with": advice.system_name(compared_with(report)),
        "words_weight": f"{known.weight:.2f}" if known and known.weight is not None else "",
        "charts": system_charts(report),
        "wins": {name: won for name, won in evidence.wins.items() if won.count},
        "coverage": coverage(report.data_quality),
        "log": log_section(report),
        "index_rows": index_rows(report.indexes),
        "index_note": index_note(report.indexes),
        "rerankers": rerank_parts(report.reranking),
        "similarities": similarity_parts(report.similarity),
        "pool": POOL,
        "quality": quality_chart(figures),
        "held_out": quality_chart(report.held_out) if shows_held_out else None,
        "systems": wording.SYSTEM_NAMES,
        "funnel": funnel(report),
        "lengths": length_chart(report.data_quality),
        "cost": wording.cost_sentence(report.cost),
        "timeline": timeline(report.seconds),
        "idle": [idle_sentence(name, times) for name, times in report.times.items()],
        "settings": flat_settings(report.settings),
        "tolerated": wording.share(TOLERATED, 1),
        "least_documents": LEAST_DOCUMENTS,
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
    }


def tuning_rows(report: Report) -> list[tuple[str, str, str, str]]:
    """Returns what tuning adds on each set of queries: which these are, how is searched, the difference, its trend.

    There is none where the choice compares the models nowhere, or on the same queries: then sentences tell of them.
    """
    choice, figures = report.choice, wording.shown_results(report)[1]
    if not choice or not choice.tuning or not figures.queries or not advice.goes_by_others(report):
        return []
    sets = [
        (wording.questions(report), "by the models alone", figures.difference[HEADLINE]),
        (advice.tuning_queries(choice), f"{advice.searched_by(choice)}: the choice goes by this", choice.tuning),
    ]
    return [(of, by, wording.with_interval(each), wording.trend_of(each)) for of, by, each in sets]


def coverage(quality: DataQuality) -> tuple[int, int]:
    """Returns how many values of conditions have a kept example, and how many there are."""
    cells = [cell for shares in quality.conditions.values() for cell in shares.values()]
    return sum(cell.kept > 0 for cell in cells), len(cells)


def quality_chart(figures: RetrievalFigures) -> QualityChart:
    """Makes one row per metric: the three systems with intervals, and the paired difference."""
    bounds = [bound for metric in METRICS for bound in (*figures.difference[metric].ci95, 0.0)]
    axis = nice_axis(min(bounds), max(bounds), ticks=3)
    digits = 2 if axis.high - axis.low > 0.05 else 3
    return QualityChart(
        rows=[_quality_row(metric, figures, axis) for metric in METRICS],
        levels_axis=axis_labels(QUALITY_AXIS, 1),
        difference_axis=axis_labels(axis, digits, signed=True),
        queries=figures.queries,
    )


def _quality_row(metric: str, figures: RetrievalFigures, axis: Axis) -> QualityRow:
    difference = figures.difference[metric]
    text = wording.with_interval(difference)
    trend = wording.trend_of(difference)
    paired = Mark(trend, difference.mean, difference.low, difference.high, f"tuned minus base {text}")
    return QualityRow(
        metric=wording.METRIC_NAMES[metric],
        levels=strip([_level(name, metric, figures) for name in SYSTEMS], QUALITY_AXIS),
        difference=strip([paired], axis, zero=True),
        text=text,
        trend=trend,
        means={name: f"{figures.means(name)[metric]:.3f}" for name in SYSTEMS},
    )


def _level(system: str, metric: str, figures: RetrievalFigures) -> Mark:
    """Makes a mark of the mean of one system with its interval."""
    value = figures.means(system)[metric]
    low, high = figures.ci95[system][metric]
    label = f"{wording.SYSTEM_NAMES[system]} {value:.3f} (95 % interval {low:.3f} to {high:.3f})"
    return Mark(system, value, low, high, label)


def funnel(report: Report) -> Funnel:
    """Counts the stages from planned to kept, also in percent of the plan, and what each reason took."""
    samples, examples = report.samples, report.examples
    stages = [("planned", samples.planned), ("generated", samples.generated), ("kept", examples.kept)]
    if report.training.examples is not None:
        stages.append(("trained on", report.training.examples))
    reasons = sorted(examples.rejected.items(), key=lambda item: (-item[1], item[0]))
    losses = ([("failed", samples.failed)] if samples.failed else []) + reasons
    longest = max((count for _, count in losses), default=1)
    return Funnel(
        stages=[_bar(name, count, samples.planned, samples.planned) for name, count in stages],
        losses=[_bar(name.replace("_", " "), count, samples.planned, longest) for name, count in losses],
    )


def _bar(name: str, count: int, planned: int, longest: int) -> Bar:
    return Bar(name, count, wording.share(count, planned), percent=100 * count / max(longest, 1))


def length_chart(quality: DataQuality) -> Markup:
    """Draws the lengths in words of kept queries, with those of real ones as an outline."""
    histograms = {"kept": quality.kept.words.histogram}
    if quality.real is not None:
        histograms["real"] = quality.real.words.histogram
    return histogram(histograms)


def timeline(seconds: Mapping[str, float]) -> list[Span]:
    """Returns each step's share of the whole time, in order.

    Args:
        seconds: time of each step, by its noun.
    """
    total = sum(seconds.values()) or 1.0
    return [Span(noun, 100 * value / total, format_seconds(value)) for noun, value in seconds.items()]


def flat_settings(settings: Settings) -> dict[str, str]:
    """Returns all settings as texts for one table, under names such as `bm25.k1`."""
    return {name: str(value) for name, value in flatten(to_json_values(settings)).items()}

"""What the page shows of all systems: the table that it begins with, quality over cost, and recall over depth.

In: a Report. Out: rows of texts and drawings for the template. Systems stand in the order of the report, whatever they
are; those that this project does not know by name are shown under the name that they have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval import advice, wording
from eval.page.charts import Curve, Point, curve_names, curves, scatter
from eval.report import Report, SystemFigures
from eval.retrieval.latency import Latency

_UNKNOWN = "\u2013"
_LOOKS = 6
"""The colours that report.css has for systems that it does not know by name."""
_DASHES, _BROAD = 8, 2
"""The kinds of line that it has for curves; the last ones are broad and pale, and lie below all others."""


@dataclass(frozen=True)
class SystemRow:
    """One system in the table of all, in words; `difference` is that to the chosen one, "" for that one itself."""

    name: str
    level: str
    difference: str
    trend: str
    p: str
    recall: str
    latency: str
    size: str


@dataclass(frozen=True)
class SystemCharts:
    """Quality over latency and over the size of the index, and recall over depth; "" where there is nothing to draw."""

    latency: Markup
    size: Markup
    recall: Markup
    recall_names: Markup
    """The names of the curves, at the height of their ends."""
    legend: Mapping[str, str]
    """The names of the systems by the CSS classes of their lines."""
    depths: Sequence[int]
    recalls: Sequence[tuple[str, Sequence[str]]]
    """The recall of each system at these depths, as texts."""


def compared_with(report: Report) -> str:
    """Returns the name of the system that the others are compared with."""
    return report.choice.system if report.choice else report.decision.model


def system_rows(report: Report) -> list[SystemRow]:
    """Returns a row for each system; none where none was measured."""
    return [_row(report, name, figures) for name, figures in _systems(report).items()]


def system_charts(report: Report) -> SystemCharts:
    """Draws all systems; one whose latency or size is not known is missing in that drawing."""
    systems = _systems(report)
    latencies = {name: latency.p50_ms for name, latency in report.latency.items()}
    sizes = {name: float(figures.index_bytes or 0) for name, figures in systems.items()}
    looks = looks_of(systems)
    recall = {name: figures.recall for name, figures in systems.items() if figures.recall}
    drawn = curves_of(recall, looks)
    depths = sorted(next(iter(recall.values()), {}))
    return SystemCharts(
        scatter(_points(systems, looks, latencies), wording.milliseconds, "nDCG@10 by the time of one query"),
        scatter(_points(systems, looks, sizes), wording.amount_of_bytes, "nDCG@10 by the size of the index"),
        curves(drawn, "Recall by number of documents"),
        curve_names(drawn),
        {f"{looks[name]} {line}": advice.system_name(name) for name, line in lines_of(recall).items()},
        depths,
        [(advice.system_name(name), [f"{values[depth]:.3f}" for depth in depths]) for name, values in recall.items()],
    )


def kind_of(system: str) -> str:
    """Returns the CSS classes of a system: `base words` for base_words, and for a name not known here `other NAME`."""
    classes = " ".join("".join(letter if letter.isalnum() else " " for letter in system.lower()).split())
    return classes if system in wording.ALL_SYSTEM_NAMES else f"other {classes}"


def looks_of(systems: Collection[str]) -> dict[str, str]:
    """Returns the CSS classes by which systems are drawn, by name: those without a colour of their own take turns."""
    others = [name for name in systems if name not in wording.ALL_SYSTEM_NAMES]
    turns = {name: f" look-{at % _LOOKS}" for at, name in enumerate(others)}
    return {name: kind_of(name) + turns.get(name, "") for name in systems}


def lines_of(systems: Collection[str]) -> dict[str, str]:
    """Returns the CSS class of each system's kind of line, by which curves are told apart without their colours."""
    return {name: f"dash-{at % _DASHES}" for at, name in enumerate(systems)}


def curves_of(recall: Mapping[str, Mapping[int, float]], looks: Mapping[str, str]) -> list[Curve]:
    """Returns the curves in the order in which they are drawn: what has gaps lies on what has fewer.

    So of curves with the same values all can be seen: broad ones on both sides of the others, and these through gaps.
    """
    lines = lines_of(recall)
    drawn = sorted(recall, key=lambda name: (int(lines[name][-1]) + _BROAD) % _DASHES)
    return [Curve(f"{looks[name]} {lines[name]}", advice.system_name(name), recall[name]) for name in drawn]


def _systems(report: Report) -> Mapping[str, SystemFigures]:
    return report.recommendation.systems if report.recommendation else {}


def _row(report: Report, name: str, figures: SystemFigures) -> SystemRow:
    assert report.recommendation, "figures of systems are part of it"
    mark = f" {advice.DAGGER}" if advice.is_crossfitted(report.recommendation, name) else ""
    latency: Latency | None = report.latency.get(name)
    depth = max(figures.recall, default=None)
    return SystemRow(
        name=f"{advice.system_name(name)}{mark}",
        level=advice.mean_with_interval(figures),
        difference=wording.with_interval(figures.to_chosen) if figures.to_chosen else "",
        trend=advice.trend_to_chosen(figures),
        p=advice.p_value(figures.p_holm),
        recall=_UNKNOWN if depth is None else f"{figures.recall[depth]:.3f}",
        latency=wording.milliseconds(latency.p50_ms) if latency else _UNKNOWN,
        size=_UNKNOWN if figures.index_bytes is None else wording.amount_of_bytes(figures.index_bytes),
    )


def _points(systems: Mapping[str, SystemFigures], looks: Mapping[str, str], costs: Mapping[str, float]) -> list[Point]:
    return [
        Point(looks[name], advice.system_name(name), costs[name], figures.mean, *figures.ci95)
        for name, figures in systems.items()
        if costs.get(name, 0) > 0
    ]

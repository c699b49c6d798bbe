"""report.html: one self-contained page that opens anywhere, without a network.

In: report.json's dictionary and the evidence. Out: HTML. This module turns figures into what the template shows;
templates/report.html holds the words, templates/report.css the looks, plots.py the charts. Jinja2 escapes every
text, and a content security policy in the page forbids whatever would leave it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from engine.runtime.console import format_seconds
from eval import wording
from eval.page.evidence import Evidence
from eval.page.plots import Mark, axis_labels, histogram, nice_axis, strip
from eval.retrieval.metrics import METRICS
from eval.retrieval.systems import SYSTEMS

TEMPLATES = Path(__file__).resolve().parent / "templates"


QUALITY_AXIS = nice_axis(0, 1)


def render_page(report: Mapping[str, Any], evidence: Evidence) -> str:
    """The whole page as text."""
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
    }
    return environment.get_template("report.html").render(page_values(report, evidence))


def page_values(report: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    """Everything that the template names."""
    name, figures = wording.shown_results(report)
    return {
        "report": report,
        "evidence": evidence,
        "name": name,
        "figures": figures,
        "judged": bool(report["retrieval"]),
        "questions": wording.questions(report),
        "headline": wording.headline(report),
        "quality": quality_chart(figures),
        "held_out": quality_chart(report["held_out"])
        if report["retrieval"] and report["held_out"]["queries"]
        else None,
        "systems": wording.SYSTEM_NAMES,
        "funnel": funnel(report),
        "lengths": length_chart(report["data_quality"]),
        "cost": wording.cost_sentence(report["cost"]),
        "timeline": timeline(report["seconds"]),
        "missing": figures["relevant_documents_missing"],
        "settings": flat_settings(report["settings"]),
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
    }


def quality_chart(figures: Mapping[str, Any]) -> dict[str, Any]:
    """One row per metric: the three systems with intervals, and the paired difference."""
    differences = figures["difference"]
    bounds = [bound for metric in METRICS for bound in (*differences[metric]["ci95"], 0.0)]
    axis = nice_axis(min(bounds), max(bounds), ticks=3)
    rows = [_quality_row(metric, figures, axis) for metric in METRICS]
    digits = 2 if axis.high - axis.low > 0.05 else 3
    return {
        "rows": rows,
        "levels_axis": axis_labels(QUALITY_AXIS, 1),
        "difference_axis": axis_labels(axis, digits, signed=True),
        "queries": figures["queries"],
    }


def _quality_row(metric: str, figures: Mapping[str, Any], axis: Any) -> dict[str, Any]:
    marks = []
    for name in SYSTEMS:
        low, high = figures["ci95"][name][metric]
        value = figures[name][metric]
        label = f"{wording.SYSTEM_NAMES[name]} {value:.3f} (95 % interval {low:.3f} to {high:.3f})"
        marks.append(Mark(name, value, low, high, label))
    difference = figures["difference"][metric]
    text = wording.with_interval(difference)
    trend = wording.trend_of(difference)
    low, high = difference["ci95"]
    paired = Mark(trend, difference["mean"], low, high, f"tuned minus base {text}")
    return {
        "metric": wording.METRIC_NAMES[metric],
        "levels": strip(marks, QUALITY_AXIS),
        "difference": strip([paired], axis, zero=True),
        "text": text,
        "trend": trend,
        "values": {name: f"{figures[name][metric]:.3f}" for name in SYSTEMS},
    }


def funnel(report: Mapping[str, Any]) -> dict[str, Any]:
    """Stages from planned to kept as counts and percentages of the plan, and what each reason took."""
    samples, kept = report["samples"], report["examples"]["kept"]
    planned = samples["planned"] or 0
    stages = [("planned", planned), ("generated", samples["generated"]), ("kept", kept)]
    if report["training"]["examples"] is not None:
        stages.append(("trained on", report["training"]["examples"]))
    reasons = dict(sorted((report["examples"]["rejected"] or {}).items(), key=lambda item: (-item[1], item[0])))
    losses = ({"failed": samples["failed"]} if samples["failed"] else {}) | reasons
    most = max(losses.values(), default=1)
    return {
        "stages": [_bar(name, count, planned, planned) for name, count in stages],
        "losses": [_bar(name.replace("_", " "), count, planned, most) for name, count in losses.items()],
    }


def _bar(name: str, count: int, planned: int, longest: int) -> dict[str, Any]:
    percent = 100 * count / max(longest, 1)
    return {"name": name, "count": count, "share": wording.share(count, planned), "percent": percent}


def length_chart(quality: Mapping[str, Any]) -> Markup:
    """Lengths in words of kept queries, with those of real ones as an outline."""
    return histogram(
        {
            name: {int(length): count for length, count in quality[name]["words"]["histogram"].items()}
            for name in ("kept", "real")
            if name in quality
        }
    )


def timeline(seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Each step's share of the whole time, in order."""
    total = sum(seconds.values()) or 1.0
    return [
        {"noun": noun, "percent": 100 * value / total, "text": format_seconds(value)} for noun, value in seconds.items()
    ]


def flat_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """`{"bm25": {"k1": 0.9}}` -> `{"bm25.k1": "0.9"}`, for one table."""
    from engine.runtime.tracking import flatten

    return {name: str(value) for name, value in flatten(dict(settings)).items()}

"""The table and the drawings of all systems say what the report says, of systems that are not known by name too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eval import wording
from eval.config import TEMPLATES
from eval.page.systems import compared_with, curves_of, kind_of, lines_of, looks_of, system_charts, system_rows
from eval.report import Recommendation
from tests.support.small_run import small_report


def test_rows_have_every_system_in_the_order_of_the_report(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert report.recommendation
    rows = {row.name: row for row in system_rows(report)}
    assert list(rows) == ["BM25", "base", "tuned", "base + words \u2020", "tuned + words \u2020"]
    assert [name for name, row in rows.items() if not row.difference] == ["base + words \u2020"]
    assert rows["base"].level.startswith(f"{report.retrieval['tiny'].base['ndcg@10']:.3f} [")
    assert rows["base"].recall == f"{report.retrieval['tiny'].base['recall@100']:.3f}"
    assert (rows["BM25"].latency, rows["base"].latency) == ("0.4 ms", "5.65 ms")
    assert all(row.p for name, row in rows.items() if name != "base + words \u2020")
    assert rows["BM25"].size.endswith(" kB")


def test_without_a_choice_the_model_of_the_decision_is_compared_with(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert report.recommendation
    systems = {name: report.recommendation.systems[name] for name in ("bm25", "base", "tuned")}
    unchosen = replace(report, recommendation=Recommendation(None, 3, systems))
    assert compared_with(unchosen) == report.decision.model
    assert [row.name for row in system_rows(unchosen)] == ["BM25", "base", "tuned"], "nothing is cross-fitted"
    assert system_rows(replace(report, recommendation=None)) == []
    assert system_charts(replace(report, recommendation=None)).latency == ""


def test_a_system_without_time_or_size_is_missing_in_that_drawing_only(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert report.recommendation
    systems = dict(report.recommendation.systems)
    systems["e5 <large>"] = replace(systems["tuned"], index_bytes=None)
    report = replace(report, recommendation=replace(report.recommendation, systems=systems))
    row, charts = system_rows(report)[-1], system_charts(report)
    assert (row.name, row.latency, row.size) == ("e5 <large>", "\u2013", "\u2013")
    assert "e5" not in charts.latency + charts.size
    assert charts.latency.count('class="dot"') == charts.size.count('class="dot"') == 5
    assert 'class="other e5 large look-0 dash-5"' in charts.recall
    assert "e5 &lt;large&gt;" in charts.recall_names
    assert charts.legend["other e5 large look-0 dash-5"] == "e5 <large>"
    assert charts.recalls[-1] == ("e5 <large>", [f"{value:.3f}" for value in systems["tuned"].recall.values()])
    assert list(charts.depths) == list(systems["tuned"].recall)


def test_classes_and_times() -> None:
    assert [kind_of(name) for name in ("bm25", "base_words")] == ["bm25", "base words"]
    assert kind_of('x" onload="y') == "other x onload y"
    assert kind_of("다국어") != kind_of("多言語"), "else a system of two would be missing in a drawing"
    times = [wording.milliseconds(value) for value in (0.4123, 5.25, 12.34, 1234.5)]
    assert times == ["0.41 ms", "5.25 ms", "12.3 ms", "1.23 s"]


def test_systems_without_a_colour_of_their_own_are_told_apart() -> None:
    names = ["bm25", "base_words", *(f"bm25+base{number}" for number in range(18))]
    looks, lines = looks_of(names), lines_of(names)
    assert (looks["bm25"], looks["base_words"]) == ("bm25", "base words")
    turns = [f"{looks[name].split()[-1]} {lines[name]}" for name in names[2:]]
    assert len(set(turns)) == 18
    css = (TEMPLATES / "report.css").read_text()
    missing = [part for turn in turns for part in turn.split() if f".{part} " not in css]
    assert missing == [], "every look has its line of CSS"
    assert css.count("--look-5:") == 3, "in light, in the dark and in print"


def test_of_curves_with_the_same_values_all_can_be_seen() -> None:
    names = ["bm25", "base", "tuned", "bm25+base", "bm25+tuned", "base_words", "tuned_words"]
    drawn = curves_of({name: {1: 0.1, 10: 0.5} for name in names}, looks_of(names))
    kinds = [curve.kind.split()[-1] for curve in drawn]
    assert len(set(kinds)) == 7, "no two have the same kind of line"
    assert (kinds[0], kinds[1]) == ("dash-6", "dash-0"), "what is broad lies below, and above it what has no gaps"
    assert kinds[1:] == sorted(kinds[1:])

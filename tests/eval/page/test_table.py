"""The final table shows the report's figures in 80 columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from eval.page.table import COLUMNS, STYLES, summary_table, systems_table
from eval.significance import DifferenceFigures
from tests.support.small_run import small_report


def rendered(table: object, width: int = 80) -> str:
    """What the terminal shows."""
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(table)
    return console.export_text()


def test_the_table_has_every_system_and_metric(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    text = rendered(summary_table(report))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    for name in ("BM25", "base", "tuned", "tuned \u2212 base", "95 % from"):
        assert any(line.lstrip("│┃ ").startswith(name) for line in lines), name
    for metric in ("nDCG@10", "MRR@10", "Recall@100", "hit@1", "hit@3", "hit@10"):
        assert metric in text
    assert f"{report.retrieval['tiny'].base['ndcg@10']:.3f}" in text
    assert "5 judged questions of tiny" in text
    told = " ".join(text.split())
    assert "This is of the models alone, on 5 judged questions of tiny. The choice goes by tuned" in told
    assert "Search with" not in text, "the advice stands above the tables"
    assert "This is of" not in rendered(summary_table(replace(report, recommendation=None)))


def test_all_systems_stand_beside_the_chosen_one_in_80_columns(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    text = rendered(systems_table(report))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    for name in ("BM25", "base", "tuned", "base + words \u2020", "tuned + words \u2020"):
        assert any(line.strip().startswith(name) for line in lines), name
    told = " ".join(text.split())
    assert "to base + words [95 %] p, Holm query" in told, "the interval beside it is not corrected"
    assert "On 5 judged questions of tiny, base + words reaches" in told, "each figure says what it is of"
    assert "\u2020 Cross-fitted" in told
    assert "Use the" not in told, "there is one piece of advice"
    assert "Search with" not in told, "and it stands above"
    assert systems_table(replace(report, recommendation=None)) is None


def test_names_with_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    renamed = replace(report, retrieval={"[bold]x": report.retrieval["tiny"]})
    assert "[bold]x" in rendered(summary_table(renamed))


@pytest.mark.parametrize(
    ("low", "high", "trend"), [(0.1, 0.2, "better"), (-0.2, -0.1, "worse"), (-0.1, 0.1, "unclear")]
)
def test_a_difference_is_coloured_only_where_its_interval_leaves_zero_out(
    tmp_path: Path, low: float, high: float, trend: str
) -> None:
    report, _ = small_report(tmp_path)
    difference = dict.fromkeys(COLUMNS, DifferenceFigures((low + high) / 2, (low, high), 0.1))
    table = summary_table(replace(report, retrieval={"tiny": replace(report.held_out, difference=difference)}))
    cells = [cell for column in table.columns[1:] for cell in list(column.cells)[3:]]
    assert len(cells) == 3 * len(COLUMNS)
    assert all(str(cell).startswith(f"[{STYLES[trend]}]") for cell in cells) == (trend != "unclear")


def test_without_a_benchmark_held_out_queries_are_shown(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path, judged=False)
    for table in (systems_table(report), summary_table(report)):
        assert "on 8 whole synthetic queries of held-out documents" in rendered(table)

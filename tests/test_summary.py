"""The final table shows the report's figures in 80 columns."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from eval.summary import summary_table
from tests.small_run import small_report


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
    assert f"{report['retrieval']['tiny']['base']['ndcg@10']:.3f}" in text
    assert "5 judged questions of tiny" in text
    assert f"Use the {report['decision']['model']} model" in " ".join(text.split())


def test_names_with_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    report["retrieval"] = {"[bold]x": report["retrieval"]["tiny"]}
    assert "[bold]x" in rendered(summary_table(report))


def test_without_a_benchmark_held_out_queries_are_shown(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path, judged=False)
    assert "8 synthetic queries of held-out documents" in rendered(summary_table(report))

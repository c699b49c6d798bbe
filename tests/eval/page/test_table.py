"""The final table shows the report's figures in 80 columns; the end of a run can be pasted."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine.command_line.end import show_end
from engine.pipeline import RunConfig
from engine.runtime.console import Console as RunConsole
from eval.page.table import summary_table
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


def end_of_run(run_dir: Path, report: dict[str, Any]) -> str:
    """What `synthmill` prints last, at a width of 100 columns."""
    (run_dir / "report").mkdir(parents=True)
    (run_dir / "report" / "report.json").write_text(json.dumps(report))
    file = io.StringIO()
    show_end(run_dir, RunConfig(), RunConsole(Console(file=file, width=100)))
    return file.getvalue()


@pytest.mark.parametrize("name", ["run", '[b]quoted[/b] "run"'])
def test_the_lines_that_load_the_model_can_be_pasted(tmp_path: Path, name: str) -> None:
    report, _ = small_report(tmp_path)
    report["decision"]["model"] = "tuned"
    run_dir = tmp_path.joinpath(*["a folder of a long name"] * 5, name)
    shown = end_of_run(run_dir, report)
    assert "nDCG@10" in shown
    imports, model, vectors = shown[shown.index("from sentence_transformers") :].splitlines()
    assert imports == "from sentence_transformers import SentenceTransformer"
    scope: dict[str, Any] = {"SentenceTransformer": str}
    exec(model, scope)
    assert scope["model"] == f"{run_dir}/model"
    compile(vectors, "pasted", "exec")


def test_without_a_query_there_is_no_table(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path, judged=False)
    report["held_out"]["queries"] = 0
    report["decision"]["model"] = "base"
    shown = end_of_run(tmp_path / "run", report)
    told = "there were no queries to evaluate on (0 synthetic queries of held-out documents): use the base model"
    assert f"report     {told}" in shown.splitlines()
    assert "0.000" not in shown
    assert "nDCG" not in shown
    assert "report/report.html" in shown

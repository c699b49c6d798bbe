"""The end of a run: its figures, the page, and how to load the model, all of which can be pasted."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as RichConsole

from engine.artifacts.system import SystemRecord
from engine.command_line.end import load_lines, show_end
from engine.generation.config import GeneratorKind
from engine.models.resolve import resolve_model
from engine.pipeline.config import RunConfig
from engine.runtime.console import Console
from engine.samples.config import SamplesConfig
from engine.storage.files import write_json
from engine.storage.store import finish
from engine.storage.typed import to_json_values
from eval.report import Report
from eval.retrieval.indexes import IndexComparison, IndexFigures
from tests.support.chunk_sizes import made_chunk_sizes
from tests.support.given_report import made_report, made_search
from tests.support.learning_curves import made_learning_curve
from tests.support.small_run import small_report, step_record
from training.config import ModelConfig


def test_the_lines_load_a_model(tmp_path: Path) -> None:
    lines = load_lines(str(resolve_model("bundled:all-minilm-l6-v2", key="model.base")))
    assert len(lines.splitlines()) == 3
    scope: dict[str, object] = {}
    exec(lines, scope)
    assert scope["scores"].shape == (1, 1)  # type: ignore[attr-defined]


def end_of_run(run_dir: Path, report: Report, config: RunConfig | None = None) -> str:
    """What `synthmill` prints last, at a width of 100 columns."""
    (run_dir / "report").mkdir(parents=True)
    write_json(run_dir / "report" / "report.json", report.as_json())
    file = io.StringIO()
    show_end(run_dir, config or RunConfig(), Console(RichConsole(file=file, width=100)))
    return file.getvalue()


@pytest.mark.parametrize("name", ["run", '[b]quoted[/b] "run"'])
def test_the_lines_that_load_the_model_can_be_pasted(tmp_path: Path, name: str) -> None:
    report, _ = small_report(tmp_path)
    report = replace(report, decision=replace(report.decision, model="tuned"), recommendation=None)
    run_dir = tmp_path.joinpath(*["a folder of a long name"] * 5, name)
    shown = end_of_run(run_dir, report)
    assert "nDCG@10" in shown
    imports, model, scores = shown[shown.index("from sentence_transformers") :].splitlines()
    assert imports == "from sentence_transformers import SentenceTransformer"
    scope: dict[str, Any] = {"SentenceTransformer": str}
    exec(model, scope)
    assert scope["model"] == f"{run_dir}/model"
    compile(scores, "pasted", "exec")


def test_the_model_to_load_is_that_of_the_system_to_search_with(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert report.choice
    assert report.recommendation
    assert (report.choice.model, report.decision.model) == ("base", "tuned")
    shown = end_of_run(tmp_path / "run", report, RunConfig(model=ModelConfig(base="bundled:all-minilm-l6-v2")))
    assert "SentenceTransformer" not in shown, "a folder of this installation is nothing to deploy"
    named = RunConfig(model=ModelConfig(base="intfloat/e5-small-v2"))
    assert 'SentenceTransformer("intfloat/e5-small-v2")' in end_of_run(tmp_path / "hub", report, named)
    choice = replace(report.choice, model="tuned")
    tuned = replace(report, recommendation=replace(report.recommendation, choice=choice))
    shown = end_of_run(tmp_path / "again" / "run", tuned).replace("\n", "")
    assert "Search with tuned + words" in shown
    assert "run/model" in shown


def test_the_folder_to_deploy_is_named_with_the_command_that_searches(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    folder = tmp_path / "run" / "system"
    folder.mkdir(parents=True)
    finish(folder, step_record("system", folder, SystemRecord(24, 384, 100, "base_words", 0.3)))
    shown = end_of_run(tmp_path / "run", report)
    assert "run/system: base + words, weight of words 0.30, to copy anywhere" in shown.replace("\n", "")
    assert f'python {tmp_path}/run/system/search.py "a question"' in shown
    assert "SentenceTransformer" not in shown, "without the folder of an encoder there is none to load"
    (folder / "encoder").mkdir()
    again = io.StringIO()
    show_end(tmp_path / "run", RunConfig(), Console(RichConsole(file=again, width=300)))
    assert f'SentenceTransformer("{tmp_path}/run/system/encoder")' in again.getvalue()


def test_without_a_query_there_is_no_table(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path, judged=False)
    decision = replace(report.decision, model="base")
    shown = end_of_run(
        tmp_path / "run",
        replace(report, held_out=replace(report.held_out, queries=0), decision=decision, recommendation=None),
    )
    told = "there were no queries to evaluate on (0 synthetic queries of held-out documents). Use the base model"
    assert f"report     {told}" in shown.splitlines()
    assert "0.000" not in shown
    assert "nDCG" not in shown
    assert "report/report.html" in shown


def test_queries_that_are_left_out_are_told_beside_the_figures(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    figures = report.retrieval["tiny"]
    for name, left_out in (("none", {}), ("some", {"no relevant document": 1})):
        shown = end_of_run(
            tmp_path / name / "run", replace(report, retrieval={"tiny": replace(figures, left_out=left_out)})
        )
        told = f"queries    1 of {figures.queries + 1} judged queries of tiny left out: no relevant document"
        assert (told in shown.splitlines()) == bool(left_out)


def test_a_run_that_stops_earlier_ends_with_where_its_output_lies(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    shown = end_of_run(tmp_path / "run", report, RunConfig(until="examples"))
    assert "run/examples" in shown.replace("\n", "")
    assert "nDCG" not in shown


@pytest.mark.parametrize(
    ("noun", "figures"), [("chunk_sizes", made_chunk_sizes()), ("learning_curve", made_learning_curve())]
)
def test_an_experiment_ends_with_its_table_and_page(tmp_path: Path, noun: str, figures: object) -> None:
    (tmp_path / noun).mkdir()
    write_json(tmp_path / noun / f"{noun}.json", to_json_values(figures))
    text = io.StringIO()
    show_end(tmp_path, RunConfig(until=noun), Console(RichConsole(file=text, width=80)))
    assert "nDCG@10 on" in text.getvalue()
    assert f"page       {tmp_path}/{noun}/{noun}.html" in text.getvalue()


def test_what_to_beware_of_stands_with_the_recommendation_above_the_tables(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    fake = RunConfig(samples=SamplesConfig(generator=GeneratorKind.fake), until="system")
    shown = end_of_run(tmp_path / "run", report, fake)
    parts = ["warning    The samples are made up", "Search with base", "warning    No judged query", "All systems, on"]
    places = [shown.index(part) for part in (*parts, "Tuning alone, on")]
    assert places == sorted(places)
    assert shown.count("warning ") == 2
    unchosen = end_of_run(tmp_path / "unchosen", replace(report, recommendation=None), fake)
    assert unchosen.index("made up") < unchosen.index("Use the tuned model. On 8") < unchosen.index("Tuning alone, on")


def test_a_run_with_made_up_samples_says_so_first(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    fake = RunConfig(samples=SamplesConfig(generator=GeneratorKind.fake))
    for number, until in enumerate(("system", "samples")):
        shown = end_of_run(tmp_path / str(number), report, replace(fake, until=until))
        assert shown.strip().startswith("warning    The samples are made up")
    assert "made up" not in end_of_run(tmp_path / "plan", report, replace(fake, until="prompts"))
    assert "made up" not in end_of_run(tmp_path / "real", report)


def test_indexes_are_one_line(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert "indexes " not in end_of_run(tmp_path / "without", report)
    exact = IndexFigures(recall={"10": 1.0, "100": 1.0}, bytes=36_864)
    compared = replace(report, indexes=IndexComparison("base", 24, 384, 5, {"exact": exact}))
    [line] = [line for line in end_of_run(tmp_path / "with", compared).splitlines() if line.startswith("indexes")]
    assert "recall@10 over 24 vectors of the base model: Exact 1.000" in line


@pytest.mark.parametrize(("family", "is_offered"), [("cross_encoder", True), ("classifier", False)])
def test_only_a_cross_encoder_is_offered_as_a_reranker(tmp_path: Path, family: str, is_offered: bool) -> None:
    report = replace(
        made_report(search={"examples": made_search(reranked=True)}), family=family, fingerprints={"documents": "1"}
    )
    (tmp_path / "report").mkdir()
    write_json(tmp_path / "report" / "report.json", to_json_values(report))
    stream = io.StringIO()
    show_end(tmp_path, RunConfig(until="report"), Console(RichConsole(file=stream, width=120)))
    assert ("report.rerankers" in stream.getvalue()) == is_offered

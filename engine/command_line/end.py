"""Shows the end of a run to the person at the terminal: the table, the page, what to deploy, and how to load the model.

In: a finished run folder. Out: text.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from engine.artifacts.sweeps import SweepFolder
from engine.artifacts.system import SystemFolder
from engine.generation.config import GeneratorKind
from engine.runtime.console import Console
from engine.storage.store import is_done
from eval import advice, wording
from eval.chunk_sizes.figures import read_chunk_sizes
from eval.chunk_sizes.table import chunk_sizes_table
from eval.given.figures import GivenReport, is_given_report, read_given_report
from eval.given.table import closing_sentence, given_tables
from eval.learning_curve.figures import read_learning_curve
from eval.learning_curve.table import learning_curve_table
from eval.page.indexes import index_line
from eval.page.table import summary_table, systems_table
from eval.report import Report, read_report
from eval.retrieval.benchmark import left_out_in_words
from eval.stages.figures import read_stages
from eval.stages.table import stages_table
from training.config import Family

if TYPE_CHECKING:
    from engine.pipeline.config import RunConfig

_TABLES: Mapping[str, Callable[[Path], Table]] = {
    "chunk_sizes": lambda file: chunk_sizes_table(read_chunk_sizes(file)),
    "learning_curve": lambda file: learning_curve_table(read_learning_curve(file)),
    "stages": lambda file: stages_table(read_stages(file)),
}
"""What each experiment that ends with a page of its own shows on the terminal."""
_BEFORE_SAMPLES = {"rows", "documents", "prompts"}
"""The steps after which a run has no samples yet."""

_BUNDLED = "bundled:"
"""The beginning of the names of models that are a part of this installation."""


def show_end(run_dir: Path, config: RunConfig, console: Console | None = None) -> None:
    """Prints the result of a run: after a report the quality table, system and model, else where the output lies.

    What warns of the result stands before it: first of all where no model wrote the samples.
    """
    console = console or Console()
    if config.samples.generator is GeneratorKind.fake and config.until not in _BEFORE_SAMPLES:
        console.show("")
        console.warn(wording.MADE_UP)
    _show_result(run_dir, config, console)


def _show_result(run_dir: Path, config: RunConfig, console: Console) -> None:
    shown = _short(run_dir)
    if config.until in _TABLES:
        folder = SweepFolder(run_dir / config.until, config.until)
        console.show("")
        console.show(_TABLES[config.until](folder.figures_file))
        console.step("page", f"{shown}/{config.until}/{folder.page_file.name}")
        return
    if config.until not in {"report", "system"}:
        console.step("done", f"{shown}/{config.until}")
        return
    if is_given_report(file := run_dir / "report" / "report.json"):
        _show_given(read_given_report(file), shown, console)
        return
    report = read_report(run_dir / "report")
    console.show("")
    _show_figures(report, console)
    console.step("report", f"{shown}/report/report.html")
    if is_done(run_dir / "system"):
        _show_system(run_dir, shown, console)
    model = _model_to_load(run_dir, shown, config, tuned=report.model == "tuned")
    if model:
        console.verbatim(f"\n{load_lines(model)}")


def _show_figures(report: Report, console: Console) -> None:
    """Prints the advice, all systems, and what tuning did, or one line where there was nothing to measure on."""
    _, figures = wording.shown_results(report)
    if not figures.queries:
        missing = f"there were no queries to evaluate on ({wording.questions(report)})"
        console.step("report", f"{missing}. {advice.advice(report)}")
        return
    console.show(Text(advice.advice_with_reason(report)))
    if report.choice and (warning := advice.warning(report.choice)):
        console.warn(warning)
    console.show("")
    systems = systems_table(report)
    if systems:
        console.show(systems)
        console.show("")
    console.show(summary_table(report))
    for name, measured in report.retrieval.items():
        if told := left_out_in_words(name, measured.queries, measured.left_out):
            console.step("queries", told)
    if line := index_line(report.indexes):
        console.step("indexes", line)


def _show_given(report: GivenReport, shown: str, console: Console) -> None:
    """Prints what a run without documents, or with a model that is no encoder, comes to."""
    console.show("")
    for table in given_tables(report):
        console.show(table)
    console.show(Text(closing_sentence(report)))
    console.step("report", f"{shown}/report/report.html")
    console.step("model", f"{shown}/model")
    if "documents" in report.fingerprints and report.family == Family.cross_encoder.value:
        console.step("system", f"none: name {shown}/model in report.rerankers of a run whose model is an encoder")


def _show_system(run_dir: Path, shown: str, console: Console) -> None:
    """Prints where the folder to deploy lies, and how to search with it."""
    record = SystemFolder(run_dir / "system").record()
    weight = f", weight of words {record.weight:.2f}" if 0 < record.weight < 1 else ""
    reranked = ", reranked" if record.reranker else ""
    name = wording.ALL_SYSTEM_NAMES[record.system]
    console.step("system", f"{shown}/system: {name}{weight}{reranked}, to copy anywhere")
    console.verbatim(f'\npython {shlex.quote(f"{shown}/system/search.py")} "a question"')


def _model_to_load(run_dir: Path, shown: str, config: RunConfig, *, tuned: bool) -> str:
    """Returns what loads the encoder to use: a folder of the run, or a name that means the same on every machine.

    Empty where there is nothing of that kind: the system goes by words alone, or the base is the bundled model, whose
    folder is a part of this installation, and no system folder holds a copy of it.
    """
    if is_done(run_dir / "system"):
        return f"{shown}/system/encoder" if SystemFolder(run_dir / "system").encoder.is_dir() else ""
    if tuned:
        return f"{shown}/model"
    return "" if config.model.base.startswith(_BUNDLED) else config.model.base


def load_lines(folder: str) -> str:
    """Returns three lines of Python that load a model from its folder."""
    return (
        "from sentence_transformers import SentenceTransformer\n"
        f"model = SentenceTransformer({json.dumps(folder, ensure_ascii=False)})\n"
        'scores = model.similarity(model.encode_query(["a question"]), model.encode_document(["a passage"]))'
    )


def _short(run_dir: Path) -> str:
    """Returns the run folder as the user would type it."""
    here = Path.cwd()
    return str(run_dir.relative_to(here)) if run_dir.is_relative_to(here) else str(run_dir)

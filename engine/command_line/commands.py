"""Small commands that read finished runs: trace one sample, search with both models, clean the store.

In: paths and ids as typed. Out: text on the terminal and an exit code; a run that is not one is a UserError.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder
from engine.command_line.panels import conditions, facts, panels, written_exchanges
from engine.documents.readers.source import Reader
from engine.errors import UserError
from engine.runtime.console import Console
from engine.storage.run_folders import require
from engine.storage.store import NOUNS
from eval.page.side_by_side import encoders_of, find_hits, results_table
from eval.page.table import read_report
from eval.retrieval.systems import read_corpus

if TYPE_CHECKING:
    from engine.runtime.place import Place


_PLAN_FACTS = ("replicate", "round", "demonstration_set", "demonstrations", "prefix")


_SHOWN_ELSEWHERE = ("sample_id", "passage_id", "cell", "status", "error", "text", *_PLAN_FACTS)


_PREFIXES_SHOWN_ELSEWHERE = (CONDITION_PREFIX, "turn_", "reasoning_")
"""Columns of a sample that its title, its conditions, its plan and its turns show already."""


def trace(run: str, sample_id: str) -> int:
    """`synthmill trace RUN SAMPLE_ID`: one sample from its document to its verdict."""
    from engine.generation.jobs import make_units

    folders = require(run, "documents", "prompts", "samples")
    plan = PromptsFolder(folders["prompts"]).plan()
    if not sample_id.isdigit() or int(sample_id) >= plan.num_rows:
        raise UserError(
            f"there is no sample {sample_id}",
            where=f"trace {run}",
            remedy=f"name one from 0 to {plan.num_rows - 1}",
        )
    number = int(sample_id)
    passages = pq.read_table(folders["documents"] / "passages.parquet")
    row = next(make_units(_row_of(plan, number), passages, 1)).rows.to_pylist()[0]
    sample = read_sample(folders["samples"], number)
    exchanges = written_exchanges(PromptsFolder(folders["prompts"]).prompts().renderers(), row, sample)
    show = Console().show
    if not _is_blank(folders["documents"]):
        show(Panel(escape(row["text"]), title=escape(f"passage {row['passage_id']} {row['title']}")))
    if row["cell"]:
        show(facts("conditions", conditions(row["cell"])))
    show(facts("plan", {name: row[name] for name in _PLAN_FACTS}))
    for panel in panels(exchanges, row):
        show(panel)
    show(facts(f"sample {number}: {sample['status']}", sample_facts(sample)))
    show(_verdict(Path(run), number))
    return 0


def read_sample(samples: Path, number: int) -> dict[str, Any]:
    """One row of a samples folder."""
    from engine.artifacts.samples import SamplesFolder

    row: dict[str, Any] = _row_of(SamplesFolder(samples).rows(), number).to_pylist()[0]
    return row


def sample_facts(sample: dict[str, Any]) -> dict[str, Any]:
    """What is known of a sample beside its plan, its conditions and its texts."""
    return {
        name: value
        for name, value in sample.items()
        if name not in _SHOWN_ELSEWHERE and not name.startswith(_PREFIXES_SHOWN_ELSEWHERE)
    }


def _row_of(table: pa.Table, number: int) -> pa.Table:
    return table.filter(pc.equal(table["sample_id"], number))


def _is_blank(documents: Path) -> bool:
    """Whether passages are only names to plan by (`documents=none`)."""
    record = DocumentsFolder(documents).record()
    return bool(record.reader == Reader.blank.value)


def _verdict(run: Path, sample_id: int) -> str:
    if not (run / "examples" / "_DONE").exists():
        return "[bold]verdict[/bold]  not curated yet"
    for name in ("kept", "rejected"):
        table = pq.read_table(run / "examples" / f"{name}.parquet", filters=[("sample_id", "=", sample_id)])
        for row in table.to_pylist():
            reason = f" by {row['reason']}: {row['detail']}" if row["reason"] else ""
            rank = f", round-trip rank {row['round_trip_rank']}" if row["round_trip_rank"] else ""
            query = escape(repr(row["query"]))
            return f"[bold]verdict[/bold]  {name}{escape(reason)}{rank}, split {row['split']}: {query}"
    return "[bold]verdict[/bold]  failed, so neither kept nor rejected"


def search(run: str, question: str) -> int:
    """`synthmill search RUN "question"`: base and tuned results side by side."""
    from engine.command_line.commands import search_run

    require(run, "documents", "model", "report")
    Console().show(search_run(Path(run), question))
    return 0


def clean(runs_dir: str) -> int:
    """`synthmill clean [RUNS_DIR]`: removes step outputs that no run links to."""
    runs, store = Path(runs_dir).expanduser(), Path(runs_dir).expanduser() / "store"
    if not store.is_dir():
        raise UserError(
            "holds no store of step outputs", where=str(runs), remedy="name the folder that holds your runs"
        )
    folders = {file.parent for file in runs.rglob("run.json")} | {link.resolve() for link in (store / "runs").glob("*")}
    entries = (entry for folder in folders if folder.is_dir() for entry in folder.iterdir())
    linked = {entry.resolve() for entry in entries if entry.is_symlink()}
    removed = freed = 0
    for noun in NOUNS:
        for folder in (store / noun).glob("*"):
            if folder.is_dir() and folder.resolve() not in linked:
                freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
                shutil.rmtree(folder)
                removed += 1
    Console().show(f"removed {removed} step outputs, {freed / 1e6:.1f} MB")
    return 0


def search_run(run_dir: Path, question: str, k: int = 5) -> Table:
    """The `k` best passages with each model of a finished run.

    Raises:
        UserError: the question is empty, or the run has no report yet.
    """
    if not question.strip():
        raise UserError("the question is empty", where="search", remedy='give one: synthmill search RUN "..."')
    from eval.evaluation import dense_system

    encoders = zip(("base", "tuned"), encoders_of(run_dir), strict=True)
    documents, place = run_dir / "documents", place_of(run_dir)
    corpus = read_corpus(documents)
    systems = [dense_system(name, encoder, documents, place) for name, encoder in encoders]
    decision = read_report(run_dir / "report")["decision"]["model"]
    return results_table(question, corpus, find_hits(systems, question, k), decision)


def place_of(run_dir: Path) -> Place:
    """A place for reading a finished run: its store's caches, no tracking, no cluster."""
    from engine.generation.pools import EnginePools
    from engine.runtime.cluster import ClusterConfig
    from engine.runtime.console import Console
    from engine.runtime.memory import MemorySampler
    from engine.runtime.place import Place
    from engine.runtime.tracking import NoTracker

    store = (run_dir / "documents").resolve().parent.parent
    return Place(run_dir, store, ClusterConfig(), Console(), NoTracker(), MemorySampler(), EnginePools())

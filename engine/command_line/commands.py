"""A small command that reads a finished run: trace one sample. And the place in which such commands work.

In: paths and ids as typed. Out: text on the terminal and an exit code; a run that is not one is a UserError.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.markup import escape
from rich.panel import Panel

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PlannedRow, PromptsFolder, planned_row, planned_rows, size_of
from engine.artifacts.rows import RowsFolder
from engine.artifacts.samples import SamplesFolder
from engine.command_line.panels import facts, panels, shown_conditions, written_exchanges
from engine.documents.readers.source import Reader
from engine.errors import BrokenInvariantError, UserError
from engine.runtime.console import Console
from engine.runtime.step import ASKED, JUDGE, TEACHING
from engine.runtime.terminal import Terminal
from engine.storage.run_folders import require
from engine.storage.store import is_done

if TYPE_CHECKING:
    from engine.runtime.place import Place

_PLAN_FACTS = ("replicate", "round", "demonstration_set", "demonstrations", "prefix")
"""The fields of a planned row that are shown as facts of the plan."""
_SHOWN_ELSEWHERE = ("sample_id", "passage_id", "cell", "status", "error", "text", *_PLAN_FACTS)
_PREFIXES_SHOWN_ELSEWHERE = (CONDITION_PREFIX, "turn_", "reasoning_")
"""Columns of a sample that its title, its conditions, its plan and its turns show already."""


def trace(run: str, sample_id: str) -> int:
    """Runs `synthmill trace RUN SAMPLE_ID`: shows one sample from its document to its verdict."""
    about = "rows" if is_done(Path(run) / "rows") else "documents"
    folders = require(run, about, "prompts", "samples")
    prompts = PromptsFolder(folders["prompts"])
    row = _planned(folders, prompts, run, sample_id)
    sample = SamplesFolder(folders["samples"]).row(row.sample_id)
    if sample is None:
        raise BrokenInvariantError(f"{folders['samples']} is finished and does not hold sample {row.sample_id}")
    show = Console().show
    if row.row is not None:
        show(facts(f"row {row.passage_id}", row.row))
    elif not _is_blank(DocumentsFolder(folders["documents"])):
        show(Panel(escape(row.text), title=escape(f"passage {row.passage_id} {row.title}")))
    if row.conditions:
        show(facts("conditions", shown_conditions(row.conditions)))
    show(facts("plan", {name: getattr(row, name) for name in _PLAN_FACTS}))
    for panel in panels(written_exchanges(prompts.prompts().compile(), row, sample), row):
        show(panel)
    show(facts(f"sample {row.sample_id}: {sample['status']}", sample_facts(sample)))
    for name, scores in _judgements(Path(run), row.sample_id).items():
        show(facts(f"judge, {name}", scores))
    show(_verdict(Path(run), sample))
    return 0


def _planned(folders: Mapping[str, Path], prompts: PromptsFolder, run: str, sample_id: str) -> PlannedRow:
    """Finds the planned sample that was named, with its passage or its row."""
    row = prompts.row(int(sample_id)) if sample_id.isdecimal() else None
    if row is None:
        last = size_of(prompts.plan_files()) - 1
        raise UserError(f"there is no sample {sample_id}", where=f"trace {run}", remedy=f"name one from 0 to {last}")
    if "rows" in folders:
        [planned] = planned_rows(RowsFolder(folders["rows"]).joinable().join(pa.Table.from_pylist([row])))
        return planned
    return planned_row(row, DocumentsFolder(folders["documents"]).passage(row["passage_id"]))


def sample_facts(sample: dict[str, Any]) -> dict[str, Any]:
    """Returns what is known of a sample beside its plan, its conditions and its texts, by column."""
    return {
        name: value
        for name, value in sample.items()
        if name not in _SHOWN_ELSEWHERE and not name.startswith(_PREFIXES_SHOWN_ELSEWHERE)
    }


def _judgements(run: Path, sample_id: int) -> dict[str, dict[str, Any]]:
    """Reads what judges made of a sample: for each that was asked, its scores, or why it could not be asked."""
    judgements = {}
    for folder in sorted(run.glob(f"{JUDGE}/*/samples")):
        row = SamplesFolder(folder).row(sample_id) if is_done(folder) else None
        if row is not None:
            shown = {name: value for name, value in row.items() if name.startswith("score_") or name == "error"}
            judgements[folder.parent.name] = {name: value for name, value in shown.items() if value not in (None, "")}
    return judgements


def _is_blank(documents: DocumentsFolder) -> bool:
    """Tells whether passages are only names to plan by (`documents=none`)."""
    return documents.record().reader == Reader.blank.value


def _verdict(run: Path, sample: dict[str, Any]) -> str:
    """Says what became of a sample, in one line."""
    if sample["status"] == "failed":
        return f"[bold]verdict[/bold]  failed, so neither kept nor rejected: {escape(str(sample['error']))}"
    if is_done(run / "rows") or run.parent.name in {ASKED, TEACHING}:
        return "[bold]verdict[/bold]  answered"
    if run.parent.name == JUDGE:
        judged = escape(str(run.parent.parent))
        return f"[bold]verdict[/bold]  judged; what became of it: synthmill trace {judged} SAMPLE_ID"
    if not is_done(run / "examples"):
        return "[bold]verdict[/bold]  not curated yet"
    example = ExamplesFolder(run / "examples").row(sample["sample_id"])
    if example is None:
        raise BrokenInvariantError(f"sample {sample['sample_id']} of {run} is neither kept nor rejected")
    verdict = f"rejected by {example['reason']}: {example['detail']}" if example["reason"] else "kept"
    rank = f", round-trip rank {example['round_trip_rank']}" if example["round_trip_rank"] else ""
    return f"[bold]verdict[/bold]  {escape(verdict)}{rank}, split {example['split']}: {escape(repr(example['query']))}"


def place_of(run_dir: Path) -> Place:
    """Makes the place for reading a finished run: the caches of its store, no tracking, and no Ray.

    What goes on (models that load, passages that are encoded) is told on stderr, so that stdout holds results alone: on
    a terminal for as long as it lasts, elsewhere only where it takes long.
    """
    from engine.generation.pools import EnginePools
    from engine.runtime.cluster import ClusterConfig
    from engine.runtime.memory import MemorySampler
    from engine.runtime.place import Place
    from engine.runtime.tracking import NoTracker

    store = (run_dir / "documents").resolve().parent.parent
    console = Console(Terminal(stderr=True, highlight=False))
    return Place(run_dir, store, ClusterConfig(), console, NoTracker(), MemorySampler(), EnginePools())

"""The small commands on a finished run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES, PROMPTS
from engine.artifacts.prompts import write_sets
from engine.artifacts.samples import samples_schema
from engine.command_line.commands import trace
from engine.errors import UserError
from engine.storage.parts import PartWriter, open_attempt
from engine.storage.run_folders import begin_run, require
from engine.storage.store import finish
from engine.storage.typed import to_json_values
from engine.task.config import TaskConfig, TurnConfig
from engine.task.turns import answer_columns, resolve_turns
from tests.support.command_line import FinishedRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TASK = TaskConfig(
    turns={
        "ticket": TurnConfig("A ticket about {{ condition.area }} {{ passage.text }}:"),
        "triage": TurnConfig("Ticket: {{ turns.ticket.text | trim }}\nUrgency:", regex=r"(?P<urgency>\d)"),
    }
)
TICKETS = (" the lamp is dark", " the lamp is loud")


def two_turn_run(folder: Path, reader: str) -> Path:
    """A run with two samples of two turns, the second of which has failed at the last."""
    begin_run(folder, "")
    for noun in ("documents", "prompts", "samples"):
        (folder / noun).mkdir()
    cell = "area=Sync|mood=calm"
    shared = {"cell": cell, "replicate": 0, "round": 0, "demonstration_set": 0, "prefix": 5, "demonstrations": "3 1"}
    rows: list[dict[str, Any]] = [{"sample_id": i, "passage_id": f"p{i}", **shared, "prompt_tokens": 9} for i in (0, 1)]
    passages = [{"passage_id": f"p{i}", "document_id": f"p{i}", "title": "", "text": f"no. {i}"} for i in (0, 1)]
    pq.write_table(pa.Table.from_pylist(passages, schema=PASSAGES), folder / "documents" / "passages.parquet")
    pq.write_table(pa.Table.from_pylist(rows, schema=PROMPTS), folder / "prompts" / "plan-00000.parquet")
    write_sets([], folder / "prompts" / "demonstration_sets.parquet")
    (folder / "prompts" / "task.json").write_text(json.dumps(to_json_values(TASK)))
    schema = samples_schema(["area", "mood"], answer_columns(resolve_turns(TASK)))
    writer = PartWriter(open_attempt(folder / "samples", 1), 0, schema)
    given = {"status": "generated", "error": "", "text": "4", "field_urgency": "4", "logprob": float("nan")}
    failed = {"status": "failed", "error": "turn triage: does not match", "text": "soon", "field_urgency": None}
    for row, ticket, own in zip(rows, TICKETS, (given, given | failed), strict=True):
        everything = dict.fromkeys(schema.names) | row | own | {"turn_ticket": ticket, "model": "fake"}
        writer.add({name: everything[name] for name in schema.names})
    writer.commit()
    for noun in ("documents", "prompts", "samples"):
        finish(folder / noun, {"record": {"reader": reader}})
    return folder


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.mark.usefixtures("wide")
def test_trace_shows_every_turn_and_nothing_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace(str(two_turn_run(tmp_path / "run", "files")), "0") == 0
    shown = capsys.readouterr().out
    lines = [line.strip("│ ") for line in shown.splitlines()]
    asked = ["A ticket about Sync no. 0:", "the lamp is dark", "Ticket: the lamp is dark", "Urgency:", "4"]
    assert [line for line in lines if line in asked] == asked
    facts = {tuple(line.split(None, 1)) for line in lines}
    told = {("area", "Sync"), ("mood", "calm"), ("prefix", "5"), ("demonstrations", "3 1"), ("field_urgency", "4")}
    assert told <= facts
    assert "area=Sync" not in shown
    for name in ("demonstrations", "replicate", "area "):
        assert shown.count(f"│ {name}") == 1
    assert "passage p0" in shown
    assert "nan" not in shown
    assert "None" not in shown


@pytest.mark.usefixtures("wide")
def test_trace_says_why_a_sample_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace(str(two_turn_run(tmp_path / "run", "files")), "1") == 0
    shown = capsys.readouterr().out
    for part in ("Ticket: the lamp is loud", "soon", "turn triage: does not match", "sample 1: failed"):
        assert part in shown


@pytest.mark.usefixtures("wide")
def test_a_blank_passage_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace(str(two_turn_run(tmp_path / "run", "blank")), "0") == 0
    shown = capsys.readouterr().out
    assert "passage" not in shown
    assert "turn ticket · sample 0 · p0" in shown


def test_trace_shows_a_sample_from_document_to_verdict(finished_run: FinishedRun) -> None:
    done = finished_run.synthmill.run("trace", "run", "7")
    assert done.returncode == 0, done.stderr
    for part in ("passage d", "Notes on", "plan", "prompt", "sample 7: generated", "verdict"):
        assert part in done.stdout
    assert finished_run.synthmill.run("trace", "run", "999").returncode == 2


def test_search_shows_base_and_tuned_side_by_side(finished_run: FinishedRun) -> None:
    done = finished_run.synthmill.run("search", "run", "care of bees in town 1")
    assert done.returncode == 0, done.stderr
    assert "base" in done.stdout
    assert "tuned" in done.stdout
    assert "d1" in done.stdout


def test_clean_keeps_what_a_run_links_to(finished_run: FinishedRun) -> None:
    store = finished_run.synthmill.folder / "runs" / "store"
    orphan = store / "report" / "0000000000000000"
    orphan.mkdir(parents=True)
    (orphan / "report.json").write_text("{}")
    done = finished_run.synthmill.run("clean", "runs")
    assert done.returncode == 0, done.stderr
    assert not orphan.exists()
    assert (finished_run.folder / "report" / "_DONE").exists(), "a run outside of runs/ is protected as well"


def test_require_names_what_is_missing(finished_run: FinishedRun) -> None:
    assert set(require(str(finished_run.folder), "model")) == {"model"}
    with pytest.raises(UserError, match="is no run folder"):
        require(str(finished_run.folder / "model"), "model")

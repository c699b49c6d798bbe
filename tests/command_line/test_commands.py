"""The small commands on a finished run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES, PASSAGES, PROMPTS
from engine.artifacts.documents import DocumentsRecord
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import samples_schema
from engine.command_line.commands import trace
from engine.errors import UserError
from engine.storage.parts import PartWriter
from engine.storage.run_folders import begin_run, require
from engine.storage.store import finish
from engine.task.compiled import compile_task
from engine.task.config import TaskConfig, TurnConfig
from tests.support.command_line import CommandLineHere, FinishedRun
from tests.support.committed import begin
from tests.support.small_run import step_record

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
    passages = [{"passage_id": f"p{i}", "document_id": f"p{i}", "title": "", "text": f"no. {i}"} for i in (0, 1)]
    pq.write_table(pa.Table.from_pylist(passages, schema=PASSAGES), folder / "documents" / "passages.parquet")
    plan_schema = pa.schema([*PROMPTS, ("condition_area", pa.string()), ("condition_mood", pa.string())])
    rows = pa.Table.from_pylist([planned(0), planned(1)], schema=plan_schema)
    prompts = PromptsFolder(folder / "prompts")
    prompts.write_chunk(0, rows)
    prompts.write_basis(TASK, [], [])
    schema = samples_schema(["area", "mood"], compile_task(TASK).answer_columns())
    parts = begin(folder / "samples")
    writer = PartWriter(parts.attempt_folder, 0, schema)
    given = {"status": "generated", "error": "", "text": "4", "field_urgency": "4", "logprob": float("nan")}
    failed = {"status": "failed", "error": "turn triage: does not match", "text": "soon", "field_urgency": None}
    for row, ticket, outcome in zip(rows.to_pylist(), TICKETS, (given, given | failed), strict=True):
        columns = dict.fromkeys(schema.names) | row | outcome | {"turn_ticket": ticket, "model": "fake"}
        writer.add({name: columns[name] for name in schema.names})
    writer.commit()
    parts.list_new()
    read = DocumentsRecord(reader, 2, 2, 6, {})
    for noun in ("documents", "prompts", "samples"):
        finish(folder / noun, step_record(noun, folder / noun, read))
    return folder


def planned(number: int) -> dict[str, Any]:
    conditions = {"cell": "area=Sync|mood=calm", "condition_area": "Sync", "condition_mood": "calm"}
    place = {"replicate": 0, "round": 0, "demonstration_set": 0, "prefix": 5, "demonstrations": "3 1"}
    return {"sample_id": number, "passage_id": f"p{number}", **conditions, **place, "prompt_tokens": 9}


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
    verdict = shown.splitlines()[-1]
    assert verdict.startswith("verdict  failed, so neither kept nor rejected: turn triage: does not match")


@pytest.mark.parametrize("number", ["2", "-1", "one", "²"])
def test_trace_names_the_samples_that_there_are(tmp_path: Path, number: str) -> None:
    with pytest.raises(UserError, match=f"there is no sample {number}") as caught:
        trace(str(two_turn_run(tmp_path / "run", "files")), number)
    assert caught.value.remedy == "name one from 0 to 1"


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        ({"reason": "", "round_trip_rank": 3}, "kept, round-trip rank 3, split train: 'dark lamp'"),
        ({"reason": "leak", "detail": "0.9", "round_trip_rank": 0}, "rejected by leak: 0.9, split train: 'dark lamp'"),
        (None, "not curated yet"),
    ],
)
def test_trace_ends_with_the_verdict_of_curation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verdict: dict[str, Any] | None, line: str
) -> None:
    run = two_turn_run(tmp_path / "run", "files")
    if verdict is not None:
        example = {"sample_id": 0, "query": "dark lamp", "split": "train", **verdict}
        (run / "examples").mkdir()
        for name, belongs in (("kept", not verdict["reason"]), ("rejected", bool(verdict["reason"]))):
            table = pa.Table.from_pylist([example] if belongs else [], schema=EXAMPLES)
            pq.write_table(table, run / "examples" / f"{name}.parquet")
        finish(run / "examples", step_record("examples", run / "examples", DocumentsRecord("", 0, 0, 0, {})))
    trace(str(run), "0")
    assert capsys.readouterr().out.splitlines()[-1] == f"verdict  {line}"


@pytest.mark.usefixtures("wide")
def test_trace_of_what_a_judge_was_asked_points_to_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run" / "judge").mkdir(parents=True)
    trace(str(two_turn_run(tmp_path / "run" / "judge" / "relevance", "files")), "0")
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.endswith(f"verdict judged; what became of it: synthmill trace {tmp_path / 'run'} SAMPLE_ID")


@pytest.mark.usefixtures("wide")
def test_a_blank_passage_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace(str(two_turn_run(tmp_path / "run", "blank")), "0") == 0
    shown = capsys.readouterr().out
    assert "passage" not in shown
    assert "turn ticket · sample 0 · p0" in shown


def test_trace_shows_a_sample_from_document_to_verdict(
    finished_run: FinishedRun, synthmill_here: CommandLineHere
) -> None:
    synthmill = replace(synthmill_here, folder=finished_run.synthmill.folder)
    done = synthmill.run("trace", "run", "7")
    assert done.returncode == 0, done.stderr
    for part in ("passage d", "Notes on", "plan", "prompt", "sample 7: generated", "verdict"):
        assert part in done.stdout
    assert synthmill.run("trace", "run", "999").returncode == 2


def test_search_shows_base_and_tuned_side_by_side(finished_run: FinishedRun, synthmill_here: CommandLineHere) -> None:
    synthmill = replace(synthmill_here, folder=finished_run.synthmill.folder)
    done = synthmill.run("search", "run", "care of bees in town 1")
    assert done.returncode == 0, done.stderr
    assert "base" in done.stdout
    assert "tuned" in done.stdout
    assert "d1" in done.stdout


def test_require_names_what_is_missing(finished_run: FinishedRun) -> None:
    assert set(require(str(finished_run.folder), "model")) == {"model"}
    with pytest.raises(UserError, match="is no run folder"):
        require(str(finished_run.folder / "model"), "model")

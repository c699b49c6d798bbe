"""The door of a prompts folder: the plan whole, by file and by row, and what its prompts are rendered from."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.prompts import PlannedRow, PromptsFolder, PromptsRecord, planned_row, planned_rows, size_of
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values
from engine.task.config import AttributeConfig, PromptKind, TaskConfig
from engine.task.render import Ask, Demonstration
from tests.support.jobs import rows

TASK = TaskConfig(
    prompt="${not a reference} {{ passage.text }}", kind=PromptKind.chat, attributes={"form": AttributeConfig({"a": 2})}
)
POOL = [
    Demonstration("a document", "a query", "q1", {"form": "a"}, "A title"),
    Demonstration("another", "another query"),
]
SETS = [[POOL[1], POOL[0]], [POOL[0]]]


@pytest.fixture
def prompts(tmp_path: Path) -> PromptsFolder:
    folder = PromptsFolder(tmp_path)
    plan = rows(7).drop_columns(["title", "text"]).append_column("condition_form", [["a"] * 7])
    folder.write_chunk(0, plan.slice(0, 4))
    folder.write_chunk(1, plan.slice(4))
    folder.write_basis(TASK, POOL, SETS)
    return folder


def test_the_plan_is_read_whole_and_by_file(prompts: PromptsFolder) -> None:
    assert prompts.plan(["sample_id"])["sample_id"].to_pylist() == list(range(7))
    assert [table.num_rows for table in prompts.stream()] == [4, 3]
    files = prompts.plan_files()
    assert [(file.first, file.last, file.rows) for file in files] == [(0, 3, 4), (4, 6, 3)]
    assert size_of(files) == 7
    assert prompts.conditions() == ["form"]


def test_one_row_is_found_by_its_id(prompts: PromptsFolder) -> None:
    row = prompts.row(5)
    assert row is not None
    assert (row["passage_id"], row["condition_form"]) == ("p5", "a")
    assert prompts.row(7) is None


def test_what_was_written_comes_back(prompts: PromptsFolder) -> None:
    assert prompts.task() == TASK
    assert prompts.pool() == POOL
    assert prompts.sets() == SETS
    assert (prompts.prompts().task, prompts.prompts().sets) == (TASK, SETS)


def test_an_empty_pool_and_no_sets_come_back_too(tmp_path: Path) -> None:
    folder = PromptsFolder(tmp_path)
    folder.write_basis(TASK, [], [])
    assert (folder.pool(), folder.sets()) == ([], [])


def test_rows_are_records_with_their_conditions_by_name() -> None:
    table = rows(2).append_column("condition_form", [["a", "b"]])
    first, second = planned_rows(table)
    assert isinstance(first, PlannedRow)
    assert (first.sample_id, first.conditions, second.conditions) == (0, {"form": "a"}, {"form": "b"})
    assert second.text == "passage number 1 about apples and oranges"


def test_the_record_comes_back_as_it_was(prompts: PromptsFolder) -> None:
    record = PromptsRecord(7, 1, 140, {"form": 1}, {"form": {"a": 1.0}}, "", 2, 2, {"form": {"a": 0.5}})
    finish(prompts.path, StepRecord("prompts", "f", {}, {}, 0.0, 0, to_json_values(record)))
    assert prompts.record() == record


def test_one_row_and_its_passage_are_a_record_too(prompts: PromptsFolder) -> None:
    row = prompts.row(5)
    assert row is not None
    record = planned_row(row, {"title": "A title", "text": "a text", "position": 3})
    assert (record.sample_id, record.title, record.text, record.conditions) == (5, "A title", "a text", {"form": "a"})


def test_a_row_knows_what_is_asked() -> None:
    [row] = planned_rows(rows(1, first=3).append_column("condition_form", [["a"]]))
    passage = {"title": "", "text": "passage number 3 about apples and oranges"}
    assert row.ask() == Ask(passage, 0, {"form": "a"}, {})
    assert row.ask({"first": {"text": "x"}}) == Ask(passage, 0, {"form": "a"}, {"first": {"text": "x"}})

"""What a plan is about is opened by the folders that a step was given: rows where there are any, else passages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.artifacts.documents import Passages
from engine.artifacts.prompts import PromptsFolder, planned_rows
from engine.artifacts.rows import JoinableRows
from engine.artifacts.subjects import open_subjects
from tests.support.rows import write_plan, write_rows


def test_passages_are_joined_with_title_and_text(planned_inputs: Mapping[str, Path]) -> None:
    prompts = PromptsFolder(planned_inputs["prompts"])
    subjects = open_subjects(planned_inputs, prompts)
    assert isinstance(subjects, Passages)
    row = planned_rows(subjects.join(prompts.first_rows(3)))[2]
    assert row.passage["text"] == "passage number 2 about apples and oranges"
    assert row.row is None


def test_of_rows_only_the_columns_that_the_task_reads_are_joined(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows", ["a", "b"], {"body": ["x", "y"], "long": ["not", "read"]})
    prompts, _ = write_plan(tmp_path / "prompts", rows)
    subjects = open_subjects({"rows": rows.path}, prompts)
    assert isinstance(subjects, JoinableRows)
    assert [row.row for row in planned_rows(subjects.join(prompts.plan()))] == [{"body": "x"}, {"body": "y"}]
    assert subjects.file == rows.file

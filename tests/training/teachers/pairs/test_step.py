"""The plan of a question about candidates has a row for each pair of a query's text and a passage."""

from __future__ import annotations

from pathlib import Path

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.judged import QUERY
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.teacher import TeacherFolder
from engine.task.config import TaskConfig
from tests.support.places import quiet_place
from tests.support.taught import candidates_config, write_candidates, write_folders
from training.rows import read_rows
from training.teachers.pairs.step import plan_questions
from training.teachers.settings import QuestionConfig

TASK = TaskConfig(name="likelihood", prompt="{{ passage.text }}")


def test_each_candidate_of_each_query_is_asked_about(base: Path, tmp_path: Path) -> None:
    folders, output = write_folders(tmp_path), tmp_path / "plan"
    write_candidates(tmp_path / "candidates", folders, candidates_config(base))
    output.mkdir()
    inputs = {**folders, "candidates": tmp_path / "candidates"}
    record = plan_questions(QuestionConfig(TASK, ()), inputs, output, quiet_place(tmp_path))
    plan = PromptsFolder(output).plan()
    pairs = set(zip(plan[f"condition_{QUERY}"].to_pylist(), plan["passage_id"].to_pylist(), strict=True))
    ids = DocumentsFolder(folders["documents"]).passages(["passage_id"])["passage_id"].to_pylist()
    queries = read_rows(ExamplesFolder(folders["examples"]))["query"].to_pylist()
    rows = TeacherFolder(tmp_path / "candidates").read().candidates.tolist()
    assert pairs == {(query, ids[row]) for query, each in zip(queries, rows, strict=True) for row in each}
    assert record.planned == plan.num_rows == len(pairs)

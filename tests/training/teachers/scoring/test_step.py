"""Candidates are scored anew: by a tiny cross-encoder, and by answers of which some failed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.judged import QUERY, Criterion
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.teacher import TeacherFolder
from engine.errors import UserError
from engine.search.cross_encoder import CrossEncoder, CrossEncoderConfig
from engine.task.config import TaskConfig
from tests.support.committed import commit_table
from tests.support.models import write_cross_encoder
from tests.support.places import quiet_place
from tests.support.taught import candidates_config, write_candidates, write_folders
from training.rows import read_rows
from training.teachers.pairs.step import plan_questions
from training.teachers.scoring import step
from training.teachers.scoring.step import score_candidates
from training.teachers.settings import QuestionConfig, ScoringConfig

CRITERION = Criterion("relevance", "", "", ("score",), "", 0.0, 0.0)
BY_ANSWERS = ScoringConfig((), criterion=CRITERION)


@dataclass(frozen=True)
class Found:
    """The folders that the step reads, and what stands in them."""

    inputs: dict[str, Path]
    queries: list[str]
    texts: list[str]


@pytest.fixture(scope="module")
def found(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("found")
    inputs = write_folders(folder)
    write_candidates(folder / "candidates", inputs, candidates_config(base))
    queries = read_rows(ExamplesFolder(inputs["examples"]))["query"].to_pylist()
    texts = DocumentsFolder(inputs["documents"]).passages(["text"])["text"].to_pylist()
    return Found({**inputs, "candidates": folder / "candidates"}, queries, texts)


def scored_by(
    config: ScoringConfig, inputs: dict[str, Path], folder: Path
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    output = folder / "teacher"
    output.mkdir()
    score_candidates(config, inputs, output, quiet_place(folder))
    before, after = TeacherFolder(inputs["candidates"]).read(), TeacherFolder(output).read()
    assert before.ids.tolist() == after.ids.tolist()
    assert before.candidates.tolist() == after.candidates.tolist()
    return after.scores


@pytest.mark.parametrize("is_of_run", [False, True])
def test_a_cross_encoder_reads_every_query_with_its_candidates(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_of_run: bool
) -> None:
    monkeypatch.setattr(step, "_QUERIES_AT_ONCE", 16)
    cross = write_cross_encoder(tmp_path / "cross")
    reader = CrossEncoderConfig("" if is_of_run else str(cross), 48)
    inputs = {**found.inputs, **({"cross_encoder": cross} if is_of_run else {})}
    scores = scored_by(ScoringConfig((), cross_encoder=reader), inputs, tmp_path)
    rows = TeacherFolder(found.inputs["candidates"]).read().candidates[20].tolist()
    expected = CrossEncoder(CrossEncoderConfig(str(cross), 48)).score(
        [found.queries[20]] * len(rows), [found.texts[row] for row in rows]
    )
    assert scores[20] == pytest.approx(expected, abs=1e-5)


def answers(found: Found, folder: Path, failed: str = "") -> dict[str, Path]:
    """Scores that are the lengths of passages, of a model that failed at one passage."""
    plan = folder / "plan"
    plan.mkdir()
    task = TaskConfig(name="likelihood", prompt="{{ passage.text }}")
    plan_questions(QuestionConfig(task, ()), found.inputs, plan, quiet_place(folder))
    planned = PromptsFolder(plan).plan(["sample_id", "passage_id", f"condition_{QUERY}"])
    lengths = [
        None if failed in {name, "all"} else float(len(found.texts[int(name[1:])]))
        for name in planned["passage_id"].to_pylist()
    ]
    table = pa.table({"sample_id": planned["sample_id"], "score": pa.array(lengths, pa.float64())})
    commit_table(folder / "answers", table.take(np.random.default_rng(0).permutation(table.num_rows)))
    return {**found.inputs, "answers": folder / "answers"}


def test_answers_find_their_pairs_and_one_that_failed_leaves_no_score(found: Found, tmp_path: Path) -> None:
    scores = scored_by(BY_ANSWERS, answers(found, tmp_path, failed="p3"), tmp_path)
    rows = TeacherFolder(found.inputs["candidates"]).read().candidates
    lengths = np.array([len(text) for text in found.texts], np.float32)[rows]
    assert np.array_equal(np.isnan(scores), rows == 3)
    assert np.array_equal(scores[rows != 3], lengths[rows != 3])


def test_a_teacher_that_scored_nothing_is_refused(found: Found, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.teacher\.by: the teacher scored no query"):
        scored_by(BY_ANSWERS, answers(found, tmp_path, failed="all"), tmp_path)

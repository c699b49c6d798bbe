"""The plan of a question about the first passages of every query."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.judged import QUERY
from engine.artifacts.prompts import PromptsFolder
from engine.errors import UserError
from engine.task.config import TaskConfig
from eval.asking.queries import read_queries
from eval.reranking.step import plan_pairs
from tests.support.places import quiet_place
from tests.support.small_run import build_run, hold_nothing_out, small_config, write_benchmark

TASK = TaskConfig(name="likelihood", prompt="{{ passage.text }}")


def test_the_first_passages_of_each_query_are_asked_about_passage_by_passage(tmp_path: Path) -> None:
    folders, output = build_run(tmp_path / "store"), tmp_path / "plan"
    output.mkdir()
    config = replace(small_config(str(write_benchmark(tmp_path / "tiny"))), rerank_by="likelihood", rerank_depth=4)
    record = plan_pairs(config.pairs(TASK), folders, output, quiet_place(tmp_path))
    [_] = (quiet_place(tmp_path).store_dir / "bm25").glob("[!.]*")  # the report reads the index of words from there
    plan = PromptsFolder(output).plan()
    queries = read_queries(config.asked_queries(), folders)
    assert record.planned == plan.num_rows == 4 * len(queries)
    assert plan["sample_id"].to_pylist() == list(range(plan.num_rows))
    asked = plan[f"condition_{QUERY}"].to_pylist()
    assert sorted(set(asked)) == sorted(queries)
    passages = plan["passage_id"].to_pylist()
    assert sum(a != b for a, b in itertools.pairwise(passages)) + 1 == len(set(passages)), "neighbours"
    keys = list(zip(passages, plan["cell"].to_pylist(), strict=True))
    assert len(set(keys)) == len(keys), "a key for each pair"
    assert PromptsFolder(output).task() == TASK
    joined = DocumentsFolder(folders["documents"]).joinable().join(plan)
    assert "text" in joined.column_names
    loop = [passage for passage, query in zip(passages, asked, strict=True) if query.startswith("loop which")]
    assert "knots" in loop


def test_a_report_without_queries_is_refused(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    hold_nothing_out(folders["examples"])
    with pytest.raises(UserError, match=r"^report\.rerank_by: the report has no query"):
        plan_pairs(small_config().pairs(TASK), folders, tmp_path, quiet_place(tmp_path))

"""The systems that look answers up: their names, and that a report measures them beside the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from engine.artifacts.judged import QUERY, Criterion
from engine.artifacts.pairs import query_id
from engine.artifacts.prompts import PromptsFolder
from engine.search.fusion import FoundSystem
from engine.search.order import blank_ranking
from engine.search.reordered import ReorderedSystem
from eval.asking.config import RERANKS
from eval.asking.queries import read_queries
from eval.asking.systems import describe_asked, expansion_input, is_asked
from eval.evaluation import evaluate_systems
from eval.reranking.step import plan_pairs
from eval.systems import describe
from tests.support.committed import commit_table
from tests.support.small_run import build_run, place_in, small_config, write_benchmark, write_tuned_model


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("base_with_rewrites", "base + rewrites"),
        ("base_with_hypothetical_fake", "base + hypothetical (fake generator)"),
        ("base_half_words_by_likelihood", "base + words, half each, in the order of likelihood"),
        ("base_half_words_and_relevance_fake", "base + words, half each, with relevance (fake generator)"),
    ],
)
def test_names_are_put_into_words(name: str, words: str) -> None:
    assert describe_asked(name) == describe(name) == words


def test_other_names_are_no_business_of_it() -> None:
    assert describe_asked("base") is None
    assert expansion_input("rewrites") == "expansion_rewrites"


def test_who_looks_answers_up_has_no_latency() -> None:
    found = FoundSystem("x", blank_ranking(1, 1))
    assert not is_asked(found)
    assert is_asked(ReorderedSystem("y", found, {}.__getitem__, 1.0))


def test_a_report_measures_them_on_judged_queries_beside_the_others(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    write_tuned_model(folders["model"])
    (tmp_path / "log.txt").write_text("a query of which no model was told\n")
    config = replace(
        small_config(str(write_benchmark(tmp_path / "tiny"))),
        queries=str(tmp_path / "log.txt"),
        expand=["rewrites", "hypothetical"],
        rerank_by="likelihood",
        rerank_depth=3,
        reranked=Criterion("likelihood", "", "", ("score_given_mean",), "", 0.0, 0.0),
    )
    queries, place = read_queries(config.asked_queries(), folders), place_in(tmp_path)
    for name in ("rewrites", "hypothetical"):
        folders[expansion_input(name)] = tmp_path / name
        write_texts(tmp_path / name, {query: f"{query} again" for query in queries})
    plan = tmp_path / "plan"
    plan.mkdir()
    plan_pairs(config.pairs(config.expansions["rewrites"].task("x")), folders, plan, place)
    folders[RERANKS] = tmp_path / "reranks"
    write_scores(folders[RERANKS], PromptsFolder(plan).plan())
    evaluation = evaluate_systems(config, folders, place)
    asked = {"base_with_rewrites", "base_with_hypothetical"}
    asked |= {f"base_half_words_{relation}_likelihood" for relation in ("by", "and")}
    assert evaluation.judged is not None
    assert set(evaluation.judged.scores) >= asked | {"bm25", "base", "tuned"}
    assert not asked & set(evaluation.held_out.scores)
    assert not asked & set(evaluation.latency)
    assert evaluation.log is not None
    assert not asked & set(evaluation.log.shown[0].first), "no model was asked about the queries of a log"
    runs = evaluation.judged.trec_runs
    assert runs["base_half_words_by_likelihood"] != runs["base_half_words_and_likelihood"]


def write_texts(folder: Path, text_of: dict[str, str]) -> None:
    rows = [
        {"sample_id": number, "passage_id": query_id(query), "text": text, "status": "generated", "model": "m"}
        for number, (query, text) in enumerate(text_of.items())
    ]
    commit_table(folder, pa.Table.from_pylist(rows))


def write_scores(folder: Path, plan: pa.Table) -> None:
    """Answers of a model that prefers passages late in the order of their ids."""
    columns = {name: plan[name] for name in ("sample_id", "passage_id", f"condition_{QUERY}")}
    scores = plan["sample_id"].cast(pa.float64())
    commit_table(folder, pa.table({**columns, "score_given_mean": scores, "model": ["m"] * len(plan)}))

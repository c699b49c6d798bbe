"""What a log of queries shows without judgements: its form, and how far systems agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import UserError
from eval.query_log import Agreement, compare, describe_log, log_queries
from eval.retrieval.corpus import read_corpus
from tests.support.small_run import build_run, small_config, small_systems

QUERIES = ["how do I stop fruit from rotting in a cellar", "suspension bridge", "bees honey", "Suspension BRIDGE"]


@pytest.fixture
def log(tmp_path: Path) -> str:
    (tmp_path / "log.txt").write_text("\n".join(QUERIES))
    return str(tmp_path / "log.txt")


def test_the_queries_of_a_log_are_distinct_and_drawn(log: str) -> None:
    config = replace(small_config(), queries=log)
    texts = log_queries(config)
    assert len(texts) == 3
    assert set(texts) <= set(QUERIES)
    assert log_queries(config, 2) == texts[:2]
    assert log_queries(small_config()) == []
    with pytest.raises(UserError, match=r"queries\.path=.*gone: does not exist"):
        log_queries(replace(config, queries="gone"))


def test_figures_of_a_log_need_no_judgements(log: str, tmp_path: Path) -> None:
    corpus = read_corpus(build_run(tmp_path / "run")["documents"])
    systems = small_systems(corpus)
    figures = describe_log(replace(small_config(), queries=log), systems, corpus, ["why so", "tea", "wool", "maps"])
    assert figures is not None
    assert (figures.path, figures.figures.queries, figures.figures.words.p50) == (log, 3, 2)
    assert (figures.questions, figures.synthetic_questions) == (0.3333, 0.25)
    assert [(pair.first, pair.second) for pair in figures.agreement] == [
        ("bm25", "base"),
        ("bm25", "tuned"),
        ("base", "tuned"),
    ]
    firsts = {query.query: query.first["bm25"].passage_id for query in figures.shown}
    assert sorted(firsts.values()) == ["apples", "bees", "bridges"]
    assert figures.shown[0].first["tuned"].text
    assert describe_log(small_config(), systems, corpus, []) is None


def test_systems_agree_on_what_both_find() -> None:
    found = {"a": np.array([[1, 2, 3], [4, -1, -1]]), "b": np.array([[1, 3, 9], [5, 4, 6]])}
    assert compare(("a", "b"), found) == Agreement("a", "b", common=round((2 / 3 + 1) / 2, 4), same_first=0.5)

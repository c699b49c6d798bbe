"""What can be set about systems that ask a model: what ships, what is refused, and what makes another report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.command_line.compose import load_config
from engine.command_line.groups import choices
from engine.errors import UserError
from eval.asking.config import AskedQueries, AskingConfig, ExpansionConfig, PairsConfig, SearchedAs, asked_in_words
from tests.support.small_run import small_config, write_benchmark

OWN = '# @package report.expansions.keywords\nprompt: "{{ row.query }}\\nKeywords:"\ncount: 2\n'


def test_expansions_ship_and_none_is_asked_for() -> None:
    config, _ = load_config([])
    assert sorted(config.report.expansions) == choices("expand") == ["hypothetical", "rewrites"]
    assert not config.report.asks
    assert config.report.expansions["hypothetical"].searched_as is SearchedAs.passage
    assert all("{{ row.query }}" in each.prompt for each in config.report.expansions.values())


def test_an_expansion_can_be_changed_and_be_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "expand").mkdir()
    (tmp_path / "expand" / "keywords.yaml").write_text(OWN)
    overrides = ["report.expand=[keywords,rewrites]", "report.expansions.rewrites.count=5"]
    config, _ = load_config(overrides, str(tmp_path))
    assert config.report.expanded_by() == ("keywords", "rewrites")
    counts = {name: each.count for name, each in config.report.expansions.items()}
    assert counts == {"hypothetical": 1, "keywords": 2, "rewrites": 5}
    assert load_config(["report.expand=rewrites"])[0].report.expanded_by() == ("rewrites",)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"expand": "rewrite"}, "report.expand"),
        ({"expand": ["rewrites", 3]}, "report.expand"),
        ({"expand": "reranks", "expansions": {"reranks": ExpansionConfig("?")}}, "report.expansions"),
        ({"expand": "a/b", "expansions": {"a/b": ExpansionConfig("?")}}, "report.expansions"),
        ({"expand": "x", "expansions": {"x": ExpansionConfig(" ")}}, "report.expansions.x.prompt"),
        ({"expand": "x", "expansions": {"x": ExpansionConfig("?", count=0)}}, "report.expansions.x.count"),
        ({"rerank_depth": 0}, "report.rerank_depth"),
        ({"rerank_depth": 101}, "report.rerank_depth"),
        ({"rerank_weight": 0.0}, "report.rerank_weight"),
        ({"max_generated_queries": 0}, "report.max_generated_queries"),
    ],
)
def test_mistakes_are_named(values: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError) as caught:
        AskingConfig(**values).check_asking()
    assert caught.value.where.startswith(where)


def test_a_report_that_asks_nothing_does_not_depend_on_what_it_could_ask() -> None:
    plain = small_config()
    assert plain.identity() == replace(plain, rerank_depth=5, max_generated_queries=7, generator={"x": 1}).identity()
    asking = replace(plain, expand="rewrites")
    assert asking.identity() not in (plain.identity(), replace(asking, max_generated_queries=7).identity())
    assert asking.identity() == replace(asking, generator={"x": 1}).identity(), "the answers tell who gave them"


def test_held_out_queries_are_fewer_where_a_model_is_asked_about_each() -> None:
    plain = AskingConfig(max_generated_queries=300)
    asking = replace(plain, rerank_by="likelihood")
    assert [plain.most_held_out(limit) for limit in (0, 10_000)] == [0, 10_000]
    assert [asking.most_held_out(limit) for limit in (0, 10_000, 20)] == [300, 300, 20]


def test_more_judged_queries_than_allowed_are_refused(tmp_path: Path) -> None:
    benchmark = str(write_benchmark(tmp_path / "tiny"))
    asked = AskedQueries(benchmark, "test", 6, 6)
    asked.check()
    with pytest.raises(UserError, match="there are 6 judged queries to ask a model about") as caught:
        replace(asked, most=5).check()
    assert caught.value.where == "report.max_generated_queries=5"
    assert asked.identity() == replace(asked, most=7, key="elsewhere").identity()
    assert asked.identity() != replace(asked, held_out=7).identity()


def test_what_will_be_asked_is_said(tmp_path: Path) -> None:
    config = AskingConfig(expand=["rewrites"], rerank_by="relevance", rerank_depth=10)
    lines = asked_in_words(config, AskedQueries("", "test", 300, 300), "writer", "judge")
    assert lines == [
        "rewrites: writer writes 3 texts for each of at most 300 queries of held-out documents",
        "relevance: judge scores 10 passages for each of at most 300 queries of held-out documents",
    ]
    judged = AskedQueries(str(write_benchmark(tmp_path / "tiny")), "test", 300, 300)
    assert (
        asked_in_words(config, judged, "", "judge")[1]
        == "relevance: judge scores 10 passages for each of 6 judged queries"
    )
    assert asked_in_words(AskingConfig(), AskedQueries("", "test", 300, 0), "writer", "judge") == []


def test_pairs_depend_on_how_passages_are_found() -> None:
    config = replace(small_config(), rerank_by="likelihood")
    task = config.expansions["rewrites"].task("x")
    pairs = config.pairs(task)
    assert isinstance(pairs, PairsConfig)
    identities = [each.identity() for each in (pairs, replace(pairs, depth=9), replace(pairs, bm25_b=0.1))]
    assert identities[0] not in identities[1:]

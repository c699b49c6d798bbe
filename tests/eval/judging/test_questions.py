"""Which synthetic queries people judge: those that are spread over documents."""

from __future__ import annotations

from eval.judging.questions import draw_from_held_out
from eval.retrieval.benchmark import Benchmark


def test_no_document_has_two_queries_before_each_has_one() -> None:
    queries = {f"sample-{number}": f"query {number}" for number in range(12)}
    sources = {name: "large" if number < 9 else f"small {number}" for number, name in enumerate(queries)}
    held_out = Benchmark("held_out", queries, {}, sources=sources)
    first = draw_from_held_out(held_out, 4, seed=0)
    assert {sources[name] for name in first} == {"large", "small 9", "small 10", "small 11"}
    assert len(draw_from_held_out(held_out, 100, seed=0)) == 12
    assert first != draw_from_held_out(held_out, 4, seed=1)
    assert all(first[name] == queries[name] for name in first)


def test_a_query_that_was_written_twice_is_judged_once() -> None:
    held_out = Benchmark("held_out", {"s1": "salt", "s2": "salt"}, {}, sources={"s1": "a", "s2": "b"})
    assert draw_from_held_out(held_out, 5, seed=0) == {"s1": "salt"}

"""Curves of rerankers become a table and two drawings; without a time there is one drawing."""

from __future__ import annotations

from dataclasses import replace

from eval.page.reranking import rerank_parts
from tests.support.given_report import made_curve


def test_a_table_and_two_drawings() -> None:
    [part] = rerank_parts({"tiny": made_curve("bm25+base")})
    assert (part.name, part.first) == ("tiny", "BM25 + base, by ranks")
    assert [row.depth for row in part.rows] == ["0, the first stage alone", "5", "10", "20", "30", "50", "100"]
    assert part.rows[0].difference == "\u2013"
    assert part.rows[4].difference.startswith("+0.070 [+0.050")
    assert part.rows[4].trend == "better"
    assert part.rows[4].latency == "259 ms"
    assert part.by_depth.count("<circle") == 7
    assert part.by_time.count("<circle") == 7


def test_without_times_quality_alone_is_drawn() -> None:
    curve = made_curve("base")
    untimed = replace(curve, points=[replace(point, latency_ms=None) for point in curve.points])
    [part] = rerank_parts({"tiny": untimed})
    assert part.by_time == ""
    assert part.rows[1].latency == "\u2013"
    assert rerank_parts({}) == []

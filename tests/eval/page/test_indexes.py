"""The table of indexes on the page: figures where there are any, the reason where an index was not built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eval.page.indexes import index_line, index_note, index_rows
from eval.page.page import render_page
from eval.retrieval.indexes import EXACT, IndexComparison, IndexFigures
from eval.retrieval.latency import Percentiles
from tests.support.small_run import small_report

COMPARISON = IndexComparison(
    model="base",
    passages=3204,
    dim=384,
    queries=52,
    indexes={
        EXACT: IndexFigures(recall={"10": 1.0, "100": 1.0}, search=Percentiles(0.5, 0.75), bytes=4_921_344),
        "hnsw": IndexFigures(
            recall={"10": 0.9912, "100": 0.97},
            bytes=5_800_000,
            build_seconds=2.25,
            settings={"m": 32, "ef_search": 128},
        ),
        "ivf_pq": IndexFigures(left_out="needs 624 passages to train on, and there are 24; exact search is as fast"),
    },
)


def test_rows_are_in_words() -> None:
    exact, hnsw, ivf_pq = index_rows(COMPARISON)
    assert (exact.name, exact.latency, exact.size, exact.built) == ("Exact", "0.50 / 0.75 ms", "4.9 MB", "\u2013")
    assert (hnsw.name, hnsw.settings, hnsw.recall) == ("HNSW", "m=32, ef_search=128", ["0.991", "0.970"])
    assert (hnsw.latency, hnsw.built) == ("\u2013", "2.2 s")
    assert ivf_pq.left_out.startswith("needs 624 passages")
    line = (
        "recall@10 over 3,204 vectors of the base model: Exact 1.000 in 0.50 ms, 4.9 MB, HNSW 0.991, 5.8 MB, IVF-PQ not"
    )
    assert index_line(COMPARISON).startswith(line)
    assert index_line(None) == ""
    assert "3,204 passages as the base model encodes them, in 384 dimensions" in index_note(COMPARISON)


def test_the_section_is_there_where_it_was_asked_for(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    assert index_rows(report.indexes) == []
    assert index_note(report.indexes) == ""
    assert "<h2>Indexes</h2>" not in render_page(report, evidence)
    page = render_page(replace(report, indexes=COMPARISON), evidence)
    assert "<h2>Indexes</h2>" in page
    assert "not built: needs 624 passages" in page
    assert "HNSW <small>m=32, ef_search=128</small>" in page

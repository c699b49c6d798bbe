"""Samples are drawn by chance with every reason in turn; changes are the largest gains and losses."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from engine.artifacts.examples import ExamplesFolder
from eval.page.evidence import (
    SHOWN_KEPT,
    SHOWN_REJECTED,
    draw_samples,
    excerpt,
    find_changes,
    gather_evidence,
)
from tests.support.small_run import build_run, small_evaluation


def examples_of(folders: dict[str, Path]) -> tuple[pa.Table, pa.Table]:
    """The kept and the rejected examples of a run."""
    folder = ExamplesFolder(folders["examples"])
    return folder.kept(), folder.rejected()


def test_rejected_samples_take_turns_between_the_reasons(tmp_path: Path) -> None:
    rejected = ExamplesFolder(build_run(tmp_path)["examples"]).rejected()
    drawn = draw_samples(rejected, 4, seed=0)
    assert drawn[0].reason == "round_trip"
    assert {item.reason for item in drawn[:3]} == {"round_trip", "length", "duplicate"}
    assert drawn[0].conditions.keys() == {"form"}
    assert draw_samples(rejected, 4, seed=0) == drawn
    assert draw_samples(rejected.slice(0, 0), 4, seed=0) == []


def test_changes_are_sorted_by_size_and_counted(tmp_path: Path) -> None:
    evaluation = small_evaluation(build_run(tmp_path))
    changes = find_changes(evaluation.shown, evaluation.corpus, 2)
    gains = [item.after - item.before for item in changes.better]
    assert gains == sorted(gains, reverse=True)
    assert len(gains) == min(2, changes.num_better)
    assert changes.num_better + changes.num_worse + changes.num_same == 5
    first = changes.better[0]
    assert first.rank_after > 0
    assert first.document_id in evaluation.shown.benchmark.qrels[first.query_id]
    assert first.passage


def test_evidence_of_a_run_without_a_benchmark_shows_held_out_queries(tmp_path: Path) -> None:
    folders = build_run(tmp_path)
    evidence = gather_evidence(*examples_of(folders), small_evaluation(folders, judged=False), 0)
    assert (len(evidence.kept), len(evidence.rejected)) == (SHOWN_KEPT, SHOWN_REJECTED)
    assert all(item.query_id.startswith("sample-") for item in (*evidence.changes.better, *evidence.changes.worse))


def test_an_excerpt_is_one_line_cut_at_a_word() -> None:
    assert excerpt("one\n two   three", 100) == "one two three"
    assert excerpt("one two three", 8) == "one two …"
    assert excerpt("x" * 30, 8) == "xxxxxxxx …"

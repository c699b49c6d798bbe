"""Samples are drawn by chance with every reason in turn; changes are the largest gains and losses."""

from __future__ import annotations

from pathlib import Path

from engine.artifacts.examples import ExamplesFolder
from eval.page.evidence import (
    SHOWN_KEPT,
    SHOWN_REJECTED,
    draw_samples,
    find_changes,
    gather_evidence,
    shown_samples,
)
from tests.support.small_run import build_run, small_evaluation


def test_rejected_samples_take_turns_between_the_reasons(tmp_path: Path) -> None:
    examples = ExamplesFolder(build_run(tmp_path)["examples"])

    def draw() -> list[int]:
        return draw_samples(examples.rejected_batches(["sample_id", "reason"]), 4, seed=0)

    reasons = [row["reason"] for row in map(examples.row, draw()) if row]
    assert reasons[0] == "round_trip"
    assert set(reasons[:3]) == {"round_trip", "length", "duplicate"}
    assert draw() == draw()
    assert len(set(draw())) == 4
    assert draw_samples([], 4, seed=0) == []


def test_shown_samples_have_their_texts_and_conditions(tmp_path: Path) -> None:
    examples = ExamplesFolder(build_run(tmp_path)["examples"])
    kept, rejected = shown_samples(examples, seed=0)
    assert (len(kept), len(rejected)) == (SHOWN_KEPT, SHOWN_REJECTED)
    assert {item.reason for item in kept} == {""}
    assert all(item.query and item.passage and item.conditions.keys() == {"form"} for item in (*kept, *rejected))


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
    evidence = gather_evidence(ExamplesFolder(folders["examples"]), small_evaluation(folders, judged=False), 0)
    assert (len(evidence.kept), len(evidence.rejected)) == (SHOWN_KEPT, SHOWN_REJECTED)
    assert all(item.query_id.startswith("sample-") for item in (*evidence.changes.better, *evidence.changes.worse))

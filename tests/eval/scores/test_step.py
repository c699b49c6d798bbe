"""Scores of one model: those that the report of the same run would show, and no vectors are left behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.storage.store import finish
from eval.evaluation import evaluate_systems
from eval.scores.config import ScoresConfig
from eval.scores.step import score_model
from tests.support.small_run import (
    MODEL_RECORD,
    build_run,
    place_in,
    small_config,
    step_record,
    write_benchmark,
    write_tuned_model,
)


def test_scores_are_those_of_the_report(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    write_tuned_model(folders["model"])
    trained = replace(MODEL_RECORD, seconds={"total": 3.0})
    finish(folders["model"], step_record("model", folders["model"], trained))
    report = replace(small_config(str(write_benchmark(tmp_path / "tiny"))), choice_queries=0, latency_repetitions=0)
    place = place_in(tmp_path)
    config = ScoresConfig(0.5, report)
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    base.mkdir()
    tuned.mkdir()
    without_model = {noun: folder for noun, folder in folders.items() if noun != "model"}
    assert score_model(config, without_model, base, place).training_seconds == 0.0
    record = score_model(config, folders, tuned, place)
    assert (record.judged, record.held_out, record.training_seconds) == (5, 8, 3.0)
    assert [file.name for file in tuned.iterdir()] == ["scores.parquet"], "vectors of the model are gone"
    assert len(list(place.embeddings.glob("*.npy"))) == 1, "those of the base are kept"
    evaluation = evaluate_systems(report, folders, place)
    assert evaluation.judged
    for folder, systems in ((base, ("bm25", "base")), (tuned, ("tuned",))):
        table = pq.read_table(folder / "scores.parquet")
        for name, results in (("judged", evaluation.judged), ("held_out", evaluation.held_out)):
            for system in systems:
                rows = table.filter(pc.and_(pc.equal(table["set"], name), pc.equal(table["system"], system)))
                assert rows["query_id"].to_pylist() == list(results.scores[system].query_ids)
                assert rows["ndcg@10"].to_numpy() == pytest.approx(results.scores[system].values["ndcg@10"])


def test_settings_that_change_nothing_are_no_part_of_the_identity() -> None:
    config = ScoresConfig(0.5, small_config())
    assert replace(config, report=replace(config.report, decision_level=0.9)).identity() == config.identity()
    assert replace(config, weight=0.4).identity() != config.identity()
    assert replace(config, report=replace(config.report, max_held_out=5)).identity() != config.identity()

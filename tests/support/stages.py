"""Made scores of several models: a base, a curve of two models that learn training questions by heart, a reranker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.sweeps import StageScoresFolder, StageScoresRecord, StageTraining
from engine.storage.store import finish
from eval.config import ReportConfig
from eval.stages.config import BASE, BM25, METRICS, MODEL, SetConfig, StageConfig, StagesConfig, StagesPlan
from eval.stages.figures import HELD_OUT, TRAIN
from tests.support.small_run import step_record

HITS = {
    BM25: (0.8, 0.8),
    BASE: (0.2, 0.2),
    "ranking-1": (0.4, 0.5),
    "ranking-30": (0.5, 0.95),
    "reranked": (0.7, None),
}
"""The share of held-out and of training questions whose passage comes first, by model."""
CORRELATIONS = {BASE: 0.9, "ranking-1": 0.3, "ranking-30": 0.1}
"""How much noise is on the grade in the score of a pair, by model."""
QUESTIONS, PAIRS = 80, 40


def stages_plan() -> StagesPlan:
    """Two sets and three models."""
    settings = StagesConfig(
        sets={"sts": SetConfig(path="sts.json"), "questions": SetConfig(path="pairs.json")},
        models={
            "ranking": StageConfig("questions", epochs=[1, 30]),
            "reranked": StageConfig("questions", start="ranking", reranks="ranking"),
        },
        metrics=["hit@1", "hit@10"],
    )
    return StagesPlan(settings, ReportConfig(benchmark="", seed=0, resamples=200))


def write_scores(home: Path) -> dict[str, Path]:
    """Writes the scores of the base and of every model as finished folders, by name."""
    folders = {}
    for name in (BASE, "ranking-1", "ranking-30", "reranked"):
        folder = home / name / "0123456789abcdef"
        folder.mkdir(parents=True)
        scores = StageScoresFolder(folder)
        systems = {BASE: BASE, BM25: BM25} if name == BASE else {MODEL: name}
        pq.write_table(pa.concat_tables([_questions(*each) for each in systems.items()]), scores.questions_file)
        pq.write_table(_pairs(name), scores.pairs_file)
        training = None if name == BASE else StageTraining("bi_encoder", "mnrl", 100, 8, 10.0)
        seconds = {"questions": dict.fromkeys(systems, 40.0 if name == "reranked" else 2.0)}
        finish(folder, step_record("scores", folder, StageScoresRecord(160, 40, {"questions": 60}, seconds, training)))
        folders[name] = folder
    return folders


def _questions(system: str, model: str) -> pa.Table:
    rows = []
    for split, share in zip((HELD_OUT, TRAIN), HITS[model], strict=True):
        for number in range(QUESTIONS if share is not None else 0):
            hit = float((number * 37) % QUESTIONS < (share or 0) * QUESTIONS)
            about = {"set": "questions", "split": split, "system": system}
            rows.append({**about, "query_id": f"{split}{number:03}", "cluster": f"d{number // 4}"})
            rows[-1] |= {metric: min(1.0, hit + (0.25 if metric == "hit@10" else 0.0)) for metric in METRICS}
    return pa.Table.from_pylist(rows)


def _pairs(model: str) -> pa.Table:
    rng = np.random.default_rng(0)
    grades, noise = rng.uniform(size=2 * PAIRS), rng.normal(size=2 * PAIRS)
    scores = grades + CORRELATIONS.get(model, 0.0) * noise
    table = pa.table(
        {
            "set": ["sts"] * 2 * PAIRS,
            "split": [HELD_OUT] * PAIRS + [TRAIN] * PAIRS,
            "sample_id": list(range(2 * PAIRS)),
            "cluster": [f"c{number // 2}" for number in range(2 * PAIRS)],
            "grade": grades,
            "score": scores,
        }
    )
    return table if model in CORRELATIONS else table.slice(0, 0)

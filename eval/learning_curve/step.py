"""The learning_curve step: quality against the number of examples, of many models that were trained before.

In: the scores of the base and of every model, and what each subset of the examples holds. Out: learning_curve.json and
learning_curve.html. Nothing is searched here, so that it takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.samples import SamplesFolder, SamplesRecord
from engine.artifacts.sweeps import LearningCurveRecord, ScoresFolder, SweepFolder
from engine.errors import UserError
from engine.storage.files import write_json, write_text
from engine.storage.typed import to_json_values
from eval.asking.answers import is_made_up
from eval.learning_curve.config import BASE, LearningCurvePlan, point_name
from eval.learning_curve.figures import Effort, LearningCurve, SetCurves, system_curve
from eval.learning_curve.page import render_learning_curve
from eval.report import HELD_OUT
from eval.retrieval.metrics import HEADLINE
from eval.significance import Bootstrap
from eval.sweeps.measuring import JUDGED, MEASURED

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from eval.retrieval.metrics import Floats

SYSTEMS = {"tuned": "base", "tuned_words": "base_words"}
"""The systems of the curve, and the one of the base that each begins with."""


def draw_learning_curve(
    config: LearningCurvePlan, inputs: Mapping[str, Path], output: Path, place: Place
) -> LearningCurveRecord:
    """Compares all numbers of examples, and writes figures and a page.

    Args:
        config: which there are.
        inputs: the finished folders `samples` and `examples` of the run, `examples_SHARE` of each share, and the scores
            of every model under the name of its point (`point_name`), or `base`.
        output: the folder to write into.
        place: where the step runs.

    Raises:
        UserError: there was no query to measure on.
    """
    shares, seeds = config.settings.ascending(), range(config.settings.seeds)
    tables = {
        name: pq.read_table(ScoresFolder(inputs[name]).scores_file)
        for name in (BASE, *(point_name(share, seed) for share in shares for seed in seeds))
    }
    names = tables[BASE]["set"].unique().to_pylist()
    if not names:
        remedy = "name judged questions (report.benchmark), or plan more samples, so that some are held out"
        raise UserError("there was no query to measure on", where="learning_curve.shares", remedy=remedy)
    points = [[tables[BASE]], *([tables[point_name(share, seed)] for seed in seeds] for share in shares)]
    time = SamplesFolder(inputs["samples"]).record().cost
    figures = LearningCurve(
        efforts=_efforts(config, inputs),
        seeds=len(seeds),
        weight=config.settings.weight,
        processor="GPU" if time.gpu_seconds else "CPU",
        benchmark=config.report.benchmark if JUDGED in names else "",
        sets={name: _set_curves(name, points, config) for name in (JUDGED, HELD_OUT) if name in names},
        is_made_up=is_made_up(inputs["samples"]),
    )
    folder = SweepFolder(output, "learning_curve")
    write_json(folder.figures_file, to_json_values(figures))
    write_text(folder.page_file, render_learning_curve(figures))
    place.console.step("learning_curve", f"{len(shares)} numbers of examples, {len(seeds)} trainings of each")
    return _record(figures)


def _efforts(config: LearningCurvePlan, inputs: Mapping[str, Path]) -> list[Effort]:
    """Returns what each number of examples cost, the base first."""
    each = _seconds_of_a_sample(SamplesFolder(inputs["samples"]).record())
    efforts = [Effort(0.0, 0, 0, 0.0, 0.0)]
    for share in config.settings.ascending():
        examples = ExamplesFolder(inputs[f"examples_{share:g}"])
        samples = _num_training_samples(examples)
        names = (point_name(share, seed) for seed in range(config.settings.seeds))
        training = [ScoresFolder(inputs[name]).record().training_seconds for name in names]
        seconds = None if each is None else round(each * samples, 1)
        efforts.append(Effort(share, examples.record().train, samples, seconds, round(float(np.mean(training)), 1)))
    return efforts


def _seconds_of_a_sample(record: SamplesRecord) -> float | None:
    """Returns the time that engines took for a sample of those that this run wrote; None where it wrote none."""
    written = record.planned - record.carried
    return (record.cost.gpu_seconds or record.cost.cpu_seconds) / written if written > 0 else None


def _num_training_samples(examples: ExamplesFolder) -> int:
    """Counts the samples of documents that were trained on, kept or rejected."""
    both = (read(["sample_id"], "train") for read in (examples.kept_batches, examples.rejected_batches))
    return sum(len(batch) for batches in both for batch in batches)


def _set_curves(name: str, points: Sequence[Sequence[pa.Table]], config: LearningCurvePlan) -> SetCurves:
    """Compares both systems on one set of queries.

    Args:
        name: the set.
        points: the scores of each training, for each number of examples; the first is that of the base.
        config: how intervals are drawn.
    """
    bootstrap = Bootstrap(config.report.resamples, config.report.seed)
    bm25 = _rows(points[0][0], name, "bm25")
    clusters = bm25["cluster"].to_pylist()
    curves = {}
    for system, before in SYSTEMS.items():
        tables = [
            [_rows(table, name, system if at else before) for table in tables] for at, tables in enumerate(points)
        ]
        assert all(table["query_id"].equals(bm25["query_id"]) for trained in tables for table in trained), (
            "same queries"
        )
        curves[system] = system_curve([_values(trained) for trained in tables], clusters, bootstrap)
    return SetCurves(name, len(bm25), len(set(clusters)), float(pc.mean(bm25[HEADLINE]).as_py()), curves)


def _rows(table: pa.Table, name: str, system: str) -> pa.Table:
    return table.filter(pc.and_(pc.equal(table["set"], name), pc.equal(table["system"], system)))


def _values(trained: Sequence[pa.Table]) -> dict[str, Floats]:
    """Returns what each query reaches with each training, by metric, (trainings, queries)."""
    return {metric: np.stack([table[metric].to_numpy() for table in trained]) for metric in MEASURED}


def _record(figures: LearningCurve) -> LearningCurveRecord:
    enough = {
        f"{name}, {system}": figures.efforts[curve.enough].examples
        for name, curves in figures.sets.items()
        for system, curve in curves.systems.items()
    }
    return LearningCurveRecord(len(figures.efforts) - 1, figures.seeds, figures.efforts[-1].examples, enough)

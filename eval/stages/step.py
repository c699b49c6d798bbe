"""The stages step: several models beside each other, in one table, after each of them was measured.

In: the scores of the base and of every model. Out: stages.json and stages.html. Nothing is searched here, so that it
takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.sweeps import StageScoresFolder, StageScoresRecord, StagesRecord, SweepFolder
from engine.storage.files import write_json, write_text
from engine.storage.typed import to_json_values
from eval.significance import Bootstrap
from eval.stages.config import BASE, BM25, MODEL, Point, StagesPlan
from eval.stages.figures import (
    HELD_OUT,
    SetFigures,
    StageFigures,
    Stages,
    pair_figures,
    question_figures,
)
from eval.stages.page import render_stages

if TYPE_CHECKING:
    from engine.runtime.place import Place


def compare_stages(config: StagesPlan, inputs: Mapping[str, Path], output: Path, place: Place) -> StagesRecord:
    """Compares all models, and writes figures and a page.

    Args:
        config: which models there are.
        inputs: the scores of the base under the name `base`, and those of every model under its name.
        output: the folder to write into.
        place: where the step runs.
    """
    points = list(config.settings.points())
    folders = {name: StageScoresFolder(inputs[name]) for name in (BASE, *(point.name for point in points))}
    records = {name: folder.record() for name, folder in folders.items()}
    sets = _sets(config, points, folders, records[BASE].passages)
    assert any(HELD_OUT in each.levels for each in sets.values()), "measuring the base refuses it before any training"
    figures = Stages(
        stages=[*_untrained(records[BASE]), *(_stage(point, points, records) for point in points)],
        metrics=config.settings.metrics,
        sets=sets,
    )
    folder = SweepFolder(output, "stages")
    write_json(folder.figures_file, to_json_values(figures))
    write_text(folder.page_file, render_stages(figures))
    place.console.step("stages", f"{len(points)} models on {', '.join(sets)}")
    return _record(figures)


def _sets(
    config: StagesPlan, points: list[Point], folders: Mapping[str, StageScoresFolder], passages: Mapping[str, int]
) -> dict[str, SetFigures]:
    bootstrap = Bootstrap(config.report.resamples, config.report.seed)
    beside = {BASE: "", BM25: "", **{point.name: point.beside for point in points}}
    questions, pairs = dict[str, pa.Table](), dict[str, pa.Table]()
    for name, folder in folders.items():
        table = pq.read_table(folder.questions_file)
        for system, model in {BASE: BASE, BM25: BM25, MODEL: name}.items():
            rows = table.filter(pc.equal(table["system"], system))
            if len(rows):
                questions[model] = rows
        pairs[name] = pq.read_table(folder.pairs_file)
    sets = {}
    for name in config.settings.measured:
        for figures in (
            pair_figures(name, pairs, beside, bootstrap),
            question_figures(name, questions, beside, bootstrap),
        ):
            if figures.levels:
                sets[name] = replace(figures, passages=passages.get(name, 0))
    return sets


def _untrained(record: StageScoresRecord) -> list[StageFigures]:
    """Returns the rows of what learnt nothing; words are compared where something is searched."""
    names = [BM25, BASE] if record.questions else [BASE]
    return [StageFigures(name, name, "", "", "", "", 0, 0, 0, 0.0, _times(record, name)) for name in names]


def _stage(point: Point, points: list[Point], records: Mapping[str, StageScoresRecord]) -> StageFigures:
    record = records[point.name]
    assert record.training, "every point is a training"
    return StageFigures(
        name=point.name,
        stage=point.stage,
        beside=point.beside,
        examples=point.config.examples,
        family=record.training.family,
        loss=record.training.loss,
        rows=record.training.examples,
        batch_size=record.training.batch_size,
        epochs=point.total_epochs,
        training_seconds=round(_seconds(point, points, records), 1),
        seconds_per_1000=_times(record, MODEL),
    )


def _times(record: StageScoresRecord, system: str) -> dict[str, float]:
    """Returns the time of a thousand questions of each set that a system searched for held-out ones of."""
    return {name: times[system] for name, times in record.seconds_per_1000.items() if system in times}


def _seconds(point: Point, points: list[Point], records: Mapping[str, StageScoresRecord]) -> float:
    """Returns the time of a training and of those that it goes on from."""
    training = records[point.name].training
    assert training, "every point is a training"
    before = next((each for each in points if each.name == point.start), None)
    return training.seconds + (_seconds(before, points, records) if before else 0.0)


def _record(figures: Stages) -> StagesRecord:
    reached = {
        f"{model}, {name}, {metric}": round(level.mean, 6)
        for name, each in figures.sets.items()
        for model, levels in each.levels.get(HELD_OUT, {}).items()
        for metric, level in levels.items()
    }
    return StagesRecord(sum(bool(stage.examples) for stage in figures.stages), reached)

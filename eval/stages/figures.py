"""The figures of several models as one record: the content of stages.json.

In: what each query, and each graded pair, reaches with every model. Out: levels with intervals, and each model beside
the one that it goes on from, on the same resamples. Intervals are those of a report: over documents for questions, over
groups of pairs with a text in common for graded pairs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from engine.storage.typed import from_json_values
from eval.given.rows import HELD_OUT_SPLIT, TRAIN_SPLIT
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap, DifferenceFigures
from eval.similarity.figures import BASE as BEFORE
from eval.similarity.figures import STATISTICS, TUNED, similarity_figures
from eval.stages.config import BASE, METRICS

QUESTIONS, PAIRS = "questions", "pairs"
"""The two kinds of sets: what is searched for, and what is compared with grades."""
HELD_OUT, TRAIN = HELD_OUT_SPLIT, TRAIN_SPLIT
"""The sides of a set."""


@dataclass(frozen=True)
class Level:
    """What one model reaches, by one metric, on one side of a set."""

    mean: float
    ci95: tuple[float, float]
    difference: DifferenceFigures | None
    """This model minus the one that it is compared with; None for what nothing is compared with."""


@dataclass(frozen=True)
class SetFigures:
    """What all models reach on one set."""

    name: str
    kind: str
    """`questions` or `pairs`."""
    counts: Mapping[str, int]
    """The number of queries, or pairs, by side."""
    clusters: Mapping[str, int]
    """The number of independent units, by side."""
    levels: Mapping[str, Mapping[str, Mapping[str, Level]]]
    """By side, model and metric. A model that was not measured on a side is not there."""
    passages: int = 0
    """Of questions the number of passages that are searched, those of both sides together."""


@dataclass(frozen=True)
class StageFigures:
    """One model, or words alone."""

    name: str
    stage: str
    """The stage that it belongs to."""
    beside: str
    """The name of what it is compared with; empty for what is measured without training."""
    examples: str
    """The set that it learnt from; empty for what learnt nothing."""
    family: str
    loss: str
    rows: int
    """The number of rows that it learnt from."""
    batch_size: int
    epochs: int
    """Where the stage is a curve, the epochs of it up to here; 0 elsewhere."""
    training_seconds: float
    """The time of this training and of those that it goes on from."""
    seconds_per_1000: Mapping[str, float]
    """The time that a thousand held-out questions of a set take, all at once and encoding included, by set."""


@dataclass(frozen=True)
class Stages:
    """Everything in stages.json."""

    stages: Sequence[StageFigures]
    """In the order of training, what learnt nothing first."""
    metrics: Sequence[str]
    """The metrics of the table."""
    sets: Mapping[str, SetFigures]


def read_stages(file: Path) -> Stages:
    """Reads stages.json."""
    return from_json_values(Stages, json.loads(file.read_text(encoding="utf-8")))


def question_figures(
    name: str, tables: Mapping[str, pa.Table], beside: Mapping[str, str], bootstrap: Bootstrap
) -> SetFigures:
    """Compares all models on the questions of one set.

    Args:
        name: the set.
        tables: the rows of each model, of all sets.
        beside: the model that each is compared with; empty for none.
        bootstrap: how resamples are drawn.
    """
    counts, clusters, levels = dict[str, int](), dict[str, int](), dict[str, Mapping[str, Mapping[str, Level]]]()
    for split in (HELD_OUT, TRAIN):
        rows = _of_split(tables, name, split)
        if not rows:
            continue
        units = _same(rows, "query_id", "cluster")
        values = {model: {metric: table[metric].to_numpy() for metric in METRICS} for model, table in rows.items()}
        levels[split] = _question_levels(values, beside, units, bootstrap)
        counts[split], clusters[split] = len(units), len(set(units))
    return SetFigures(name, QUESTIONS, counts, clusters, levels)


def pair_figures(
    name: str, tables: Mapping[str, pa.Table], beside: Mapping[str, str], bootstrap: Bootstrap
) -> SetFigures:
    """Compares all models on the graded pairs of one set; see `question_figures`."""
    counts, clusters, levels = dict[str, int](), dict[str, int](), dict[str, Mapping[str, Mapping[str, Level]]]()
    for split in (HELD_OUT, TRAIN):
        rows = _of_split(tables, name, split)
        if not rows:
            continue
        units = _same(rows, "sample_id", "cluster")
        grades = next(iter(rows.values()))["grade"].to_numpy()
        scores = {model: table["score"].to_numpy() for model, table in rows.items()}
        levels[split] = {
            model: _pair_levels(grades, scores[model], scores.get(beside[model]), (units, bootstrap)) for model in rows
        }
        counts[split], clusters[split] = len(units), len(set(units))
    return SetFigures(name, PAIRS, counts, clusters, levels)


def best_of(figures: Stages) -> tuple[str, str, str]:
    """Returns the model that reaches most on held-out examples, with the set and the metric by which that is said.

    It is told by the first set of questions and the first metric of the table, or else by Spearman's correlation.
    """
    searched = [each for each in figures.sets.values() if each.kind == QUESTIONS and HELD_OUT in each.levels]
    others = [each for each in figures.sets.values() if HELD_OUT in each.levels]
    chosen = (searched or others)[0]
    metric = figures.metrics[0] if searched else STATISTICS[1]
    levels = chosen.levels[HELD_OUT]
    trained = [stage.name for stage in figures.stages if stage.examples and stage.name in levels]
    best = max(trained or [BASE], key=lambda name: levels[name][metric].mean)
    return best, chosen.name, metric


def _of_split(tables: Mapping[str, pa.Table], name: str, split: str) -> dict[str, pa.Table]:
    """Returns the rows of each model that was measured on one side of a set."""
    rows = {
        model: table.filter(pc.and_(pc.equal(table["set"], name), pc.equal(table["split"], split)))
        for model, table in tables.items()
    }
    return {model: table for model, table in rows.items() if len(table)}


def _same(rows: Mapping[str, pa.Table], key: str, cluster: str) -> list[str]:
    """Returns the units of all rows, which are the same ones for every model."""
    first = next(iter(rows.values()))
    assert all(table[key].equals(first[key]) for table in rows.values()), "every model has the same rows"
    units: list[str] = first[cluster].to_pylist()
    return units


def _question_levels(
    values: Mapping[str, Mapping[str, Floats]], beside: Mapping[str, str], units: Sequence[str], bootstrap: Bootstrap
) -> dict[str, dict[str, Level]]:
    columns = {(model, "", metric): values[model][metric] for model in values for metric in METRICS}
    columns |= {
        (model, other, metric): values[model][metric] - values[other][metric]
        for model, other in beside.items()
        if model in values and other in values
        for metric in METRICS
    }
    resampled = bootstrap.resample(columns, units)
    levels: dict[str, dict[str, Level]] = {model: {} for model in values}
    for model in values:
        for metric in METRICS:
            level = replace(resampled[model, "", metric], limits=(0.0, 1.0)).figures()
            key = (model, beside[model], metric)
            is_compared = bool(beside[model]) and key in resampled
            difference = replace(resampled[key], limits=(-1.0, 1.0)).figures() if is_compared else None
            levels[model][metric] = Level(level.mean, level.ci95, difference)
    return levels


def _pair_levels(
    grades: Floats, scores: Floats, before: Floats | None, drawn: tuple[Sequence[str], Bootstrap]
) -> dict[str, Level]:
    """Returns the correlations of one model; without another one to compare it with, it stands in for that."""
    models = {BEFORE: scores if before is None else before, TUNED: scores}
    figures = similarity_figures(grades, models, *drawn)
    return {
        metric: Level(
            figures.systems[TUNED][metric],
            figures.ci95[TUNED][metric],
            None if before is None else figures.difference[metric],
        )
        for metric in STATISTICS
    }

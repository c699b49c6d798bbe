"""Measures models on the graded pairs of a file that `report.similarity` names.

In: the settings of the report, the folders of the file and of what was trained on, and what scores pairs. Out:
SimilarityFigures of the pairs whose texts were not trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.examples import ExamplesFolder
from eval.given.trained import TrainedTexts, split_of_file
from eval.significance import Bootstrap
from eval.similarity.figures import SimilarityFigures
from eval.similarity.measure import SIMILARITY, PairScores, measure_similarity

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from eval.config import ReportConfig

TRAINED_ON = "trained_on"
"""The name under which a step finds what was trained on, where that is more than the examples of the run."""


def similarity_of_file(
    config: ReportConfig, inputs: Mapping[str, Path], scorers: Mapping[str, PairScores], place: Place
) -> SimilarityFigures | None:
    """Scores the pairs of the file with each model; None where no pair is left.

    Args:
        config: how many pairs are taken, and how resamples are drawn.
        inputs: the folders `similarity` and `examples`, or `trained_on` in the place of the latter.
        scorers: of base and tuned.
        place: where a person is told what was left out.
    """
    folder, seen = ExamplesFolder(inputs[SIMILARITY]), TrainedTexts(inputs.get(TRAINED_ON, inputs["examples"]))
    bootstrap = Bootstrap(config.resamples, config.seed)
    figures = measure_similarity(folder, split_of_file(folder), scorers, config.max_held_out, bootstrap, trained=seen)
    if warning := seen.told(f"report.{SIMILARITY}"):
        place.console.warn(warning)
    return figures

"""The figures of a run without documents, or of a model that is no encoder, as one record.

In: what the measurements found. Out: a GivenReport, the content of report.json of such a run. Which parts there are
follows from the form of the examples and the family of the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.storage.typed import from_json_values
from eval.classification.figures import ClassificationFigures
from eval.data_quality.controls import ControlFigures
from eval.given.searched import SearchFigures
from eval.report import TrainingFigures
from eval.similarity.figures import SimilarityFigures


@dataclass(frozen=True)
class GivenReport:
    """Everything in report.json of such a run; parts are by the name of a set: a collection, `held_out`, a file.

    Judged questions of a collection that is named `held_out` are under `judged`.
    """

    created: str
    """The time of the report, in ISO 8601, UTC."""
    form: str
    """What an example is: pairs, triplets, graded, labelled or texts."""
    family: str
    """What the model is: bi_encoder, cross_encoder, classifier or adapter."""
    base: str
    """The name of the encoder that was not trained."""
    training: TrainingFigures
    search: Mapping[str, SearchFigures] = field(default_factory=dict)
    similarity: Mapping[str, SimilarityFigures] = field(default_factory=dict)
    classification: Mapping[str, ClassificationFigures] = field(default_factory=dict)
    controls: ControlFigures | None = None
    """How different labelled texts are from one another, beside controls; None where there are none."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """The fingerprint of each step."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """The seconds that each step took."""
    peak_memory_bytes: int = 0


def read_given_report(file: Path) -> GivenReport:
    """Reads report.json of such a run."""
    return from_json_values(GivenReport, json.loads(file.read_text(encoding="utf-8")))


def is_given_report(file: Path) -> bool:
    """Tells whether a report.json is that of a run without documents, or of a model that is no encoder."""
    return "form" in json.loads(file.read_text(encoding="utf-8"))

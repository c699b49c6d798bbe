"""The report of a run without documents, or of a model that is no encoder: what it can be measured by, and a page.

In: finished examples and a model; files of graded pairs or of labelled texts besides; documents and prompts where a
cross-encoder was trained to search them. Out: report.json and report.html. Which parts they have follows from the form
of the examples and from the family of the model.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.report import GivenReportRecord, ReportFolder
from engine.storage.files import write_json, write_text
from engine.storage.store import read_record
from engine.storage.typed import to_json_values
from eval.figures import training_figures
from eval.given.config import GivenReportConfig
from eval.given.figures import GivenReport
from eval.given.measure import Measurement
from eval.given.page import render_given
from eval.given.words import headline

if TYPE_CHECKING:
    from engine.runtime.place import Place

_FOR_READING = ("confusion", "wrong")
"""The parts of a classification that no tracker gets."""


def report_given(
    config: GivenReportConfig, inputs: Mapping[str, Path], output: Path, place: Place
) -> GivenReportRecord:
    """Measures the model on held-out examples and on files, and writes figures and a page.

    Args:
        config: how it is measured.
        inputs: the finished folders `examples` and `model`; `similarity` and `labelled`, examples of files, where there
            are any; `documents` and `prompts` where documents are searched.
        output: the folder to write into.
        place: where the step runs.

    Raises:
        UserError: a file has texts with several labels, and the classifier gives each text one.
    """
    started = time.monotonic()
    measurement = Measurement(config.report, inputs, place)
    measured = measurement.measure()
    steps = {noun: read_record(folder) for noun, folder in inputs.items()}
    report = GivenReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        form=ExamplesFolder(inputs["examples"]).form().value,
        family=measurement.model.family,
        base=config.report.encoder.model,
        training=training_figures(inputs["model"]),
        search=measured.search,
        similarity=measured.similarity,
        classification=measured.classification,
        controls=measured.controls,
        fingerprints={name: step.fingerprint for name, step in steps.items()} | {"report": output.name},
        seconds={name: step.seconds for name, step in steps.items()} | {"report": round(time.monotonic() - started, 3)},
        peak_memory_bytes=max(place.memory.peak_bytes(), *(step.peak_memory_bytes for step in steps.values())),
    )
    folder = ReportFolder(output)
    write_json(folder.report_file, to_json_values(report))
    write_text(folder.page_file, render_given(report))
    return _record(report)


def _record(report: GivenReport) -> GivenReportRecord:
    values = to_json_values(report)
    classified = {
        name: {key: value for key, value in part.items() if key not in _FOR_READING}
        for name, part in values["classification"].items()
    }
    controls = values["controls"]
    for sample in controls["samples"].values() if controls else ():
        del sample["first_words"]
    return GivenReportRecord(
        measured=sum(
            [
                *(part.queries for part in report.search.values()),
                *(part.pairs for part in report.similarity.values()),
                *(part.texts for part in report.classification.values()),
            ]
        ),
        form=report.form,
        family=report.family,
        headline=headline(report),
        search=values["search"],
        similarity=values["similarity"],
        classification=classified,
        controls=controls,
    )

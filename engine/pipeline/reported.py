"""What measures a model by its examples, and the files that a report measures on besides.

In: a RunConfig, and the steps that a report reads. Out: steps. The report of encoders that search documents decides,
chooses a system and hands it over (`adaptation.py`); a cross-encoder and a classifier, and whatever was trained without
documents, are measured by what their examples are.
"""

from __future__ import annotations

from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.given.config import GivenConfig
from engine.given.step import read_given
from engine.pipeline.config import RunConfig
from engine.runtime.step import GIVEN, Step
from eval.config import FILES
from eval.given.config import GivenReportConfig
from eval.given.step import report_given
from training.config import Family

_FORMS = dict(zip(FILES, (Form.graded, Form.labelled), strict=True))
"""The form of each file that a report may be told of."""


def measured_files(config: RunConfig) -> list[Step]:
    """Lists the steps that read the files which `report.similarity` and `report.labelled` name; none by default.

    Raises:
        UserError: a file is named that says nothing about such a model.
    """
    steps = []
    for name, form in _FORMS.items():
        if path := getattr(config.report, name):
            _check_file(config, name, path)
            settings = GivenConfig(path, form, validation_share=0.0, key=f"report.{name}")
            read = Step("examples", read_given, settings, name=name, part_of=f"{GIVEN}/{name}", checks_input=True)
            steps.append(read)
    return steps


def report_of_examples(config: RunConfig, known: tuple[Step, ...], model: Step, files: list[Step]) -> Step:
    """Returns the step that measures a model by what its examples are.

    Args:
        config: the run.
        known: the examples, and documents and prompts where there are any.
        model: what was trained.
        files: what it is measured on besides.
    """
    return Step("report", report_given, GivenReportConfig(config.report), (*known, model, *files))


def _check_file(config: RunConfig, name: str, path: str) -> None:
    classifies = config.model.family is Family.classifier
    if classifies is not (_FORMS[name] is Form.labelled):
        what = "a classifier scores no pairs" if classifies else "only a classifier gives labels"
        remedy = "leave it out, or choose another model.family"
        raise UserError(what, where=f"report.{name}={path}", remedy=remedy)

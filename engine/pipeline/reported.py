"""What measures a model by its examples, and the files that a report measures on besides.

In: a RunConfig, and the steps that a report reads. Out: steps. The report of encoders that search documents decides,
chooses a system and hands it over (`adaptation.py`); a cross-encoder and a classifier, and whatever was trained without
documents, are measured by what their examples are.
"""

from __future__ import annotations

from dataclasses import replace

from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.given.config import GivenConfig
from engine.given.step import read_given
from engine.pipeline.config import RunConfig
from engine.runtime.step import GIVEN, Step
from eval.config import FILES, ReportConfig
from eval.given.config import GivenReportConfig
from eval.given.step import report_given
from training.config import Family
from training.losses.settings import Loss
from training.retriever import retriever_of

_FORMS = dict(zip(FILES, (Form.graded, Form.labelled), strict=True))
"""The form of each file that a report may be told of."""


def measured_files(config: RunConfig, known: tuple[Step, ...] = ()) -> list[Step]:
    """Lists the steps that read the files which `report.similarity` and `report.labelled` name; none by default.

    Args:
        config: the run.
        known: the examples that a classifier is trained on, where those of the file are to be like them.

    Raises:
        UserError: a file is named that says nothing about such a model.
    """
    steps = list[Step]()
    for name, form in _FORMS.items():
        if path := getattr(config.report, name):
            _check_file(config, name, path)
            one_label = form is Form.labelled and _gives_one_label(config)
            settings = GivenConfig(path, form, validation_share=0.0, one_label=one_label, key=f"report.{name}")
            inputs = known if one_label else ()
            read = Step("examples", read_given, settings, inputs, name=name, part_of=f"{GIVEN}/{name}")
            steps.append(replace(read, checks_input=True))
    return steps


def refuse_files(config: RunConfig, kind: str) -> None:
    """Refuses files to measure on, where a run of a kind has no report that would.

    Args:
        config: the run.
        kind: what it is, for the message.

    Raises:
        UserError: a file is named.
    """
    for name in _FORMS:
        if path := getattr(config.report, name):
            what = f"is measured in a report, and {kind} has none"
            raise UserError(what, where=f"report.{name}={path}", remedy="leave it out")


def _gives_one_label(config: RunConfig) -> bool:
    """Tells whether a classifier gives a text one label, unless the examples that it is trained on have several.

    A list of conditions labels a text with any number of them.
    """
    label = config.model.label
    has_list = isinstance(label, list | tuple) and len(label) > 1
    return not has_list and config.model.loss is not Loss.binary_cross_entropy


def report_of_examples(config: RunConfig, known: tuple[Step, ...], model: Step, files: list[Step]) -> Step:
    """Returns the step that measures a model by what its examples are.

    Args:
        config: the run.
        known: the examples, and documents and prompts where there are any.
        model: what was trained.
        files: what it is measured on besides.
    """
    return Step("report", report_given, GivenReportConfig(_with_first_stage(config)), (*known, model, *files))


def _with_first_stage(config: RunConfig) -> ReportConfig:
    """Returns the settings of the report, in which a cross-encoder orders what the retriever of its training finds.

    An encoder that the report itself names stays.
    """
    report, model = config.report, config.model
    if model.family is not Family.cross_encoder or report.encoder.model != model.base:
        return report
    found = retriever_of(model)
    if found.model == model.base:
        return report
    return replace(
        report,
        encoder=replace(
            report.encoder,
            model=found.model,
            query_prefix=found.query_prefix,
            passage_prefix=found.passage_prefix,
            pooling=found.pooling,
        ),
    )


def _check_file(config: RunConfig, name: str, path: str) -> None:
    classifies = config.model.family is Family.classifier
    if classifies is not (_FORMS[name] is Form.labelled):
        what = "a classifier scores no pairs" if classifies else "only a classifier gives labels"
        remedy = "leave it out, or choose another model.family"
        raise UserError(what, where=f"report.{name}={path}", remedy=remedy)

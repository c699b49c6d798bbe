"""The steps of a training: one for each iteration, each of which begins with the model that the one before made.

In: the model's config, and the steps whose folders are trained on. Out: model steps, of which the last one's model is
that of the run. An iteration that is finished is a finished step, so that it is found again however the next one ends,
and by a run with more iterations; one that was cut off goes on from its last checkpoint.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.runtime.step import ITERATIONS, Step
from eval.retrieval.benchmark import load_benchmark
from training.config import ModelConfig
from training.step import train_model
from training.validation.config import JUDGED_KEY


def model_steps(config: ModelConfig, inputs: tuple[Step, ...], part_of: str = "") -> list[Step]:
    """Lists the steps of a training.

    Args:
        config: the model's config, with the number of iterations.
        inputs: the steps documents and examples.
        part_of: the part that the last one belongs to; empty for that of the run itself.
    """
    settings, steps = replace(config, iterations=1), list[Step]()
    start = f"{Path(part_of).name}." if part_of else ""
    for number in range(1, config.iterations + 1):
        where = part_of if number == config.iterations else f"{ITERATIONS}/{start}{number}"
        read = (*inputs, *steps[-1:])
        steps.append(Step("model", train_model, settings, read, resumable=True, part_of=where))
    return steps


def check_development(config: RunConfig) -> None:
    """Refuses development queries that are those of the report: what training goes by cannot measure it.

    Raises:
        UserError: most queries of `model.validation.judged` are those of the report, under whatever name, and
            `model.validation.also_reported` does not say that this is meant; or they cannot be read.
    """
    validation, report = config.model.validation, config.report
    development = validation.development()
    if development is None or validation.also_reported:
        return
    reported = load_benchmark(report.benchmark, report.split, key=report.benchmark_key())
    if reported is None:
        return
    known, judged = set(reported.queries.values()), set(development.judged.values())
    if 2 * len(known & judged) > min(len(known), len(judged)):
        what = f"holds queries that the report measures on ({reported.name}, split {report.split})"
        remedy = (
            "name another folder or another model.validation.split, or say model.validation.also_reported=true: then "
            "the figures of the report flatter the model"
        )
        raise UserError(what, where=f"{JUDGED_KEY}={validation.judged}", remedy=remedy)

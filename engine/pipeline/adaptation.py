"""An adaptation: documents -> prompts -> samples -> examples -> (teacher ->) model -> report -> system.

In: a RunConfig. Out: the steps in the order in which data meets them. The experiments share the way up to the examples.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from engine.documents.step import load_documents
from engine.examples.config import filters_of_one_row
from engine.examples.step import curate_examples
from engine.handover.step import hand_over
from engine.judge.stages import Stage, judge_stages
from engine.judge.step import plan_judgements
from engine.pipeline.asked import expansions, reranks, with_scores
from engine.pipeline.config import RunConfig
from engine.pipeline.generation import generation
from engine.pipeline.given import trained_on
from engine.pipeline.model import check_model
from engine.pipeline.reported import measured_files, report_of_examples
from engine.pipeline.teaching import teaching, trained_cross_encoder
from engine.pipeline.training import check_development, model_steps
from engine.prompts.config import RoundConfig
from engine.prompts.round_zero import demonstrations_config, values_config
from engine.prompts.step import plan_prompts
from engine.runtime.step import ROUND_ZERO, Refusal, Step
from engine.samples.config import SamplesConfig
from eval.similarity.file import TRAINED_ON
from eval.step import evaluate_model
from training.config import SCORERS


class Curated(NamedTuple):
    """The steps up to the examples, of which the last of each noun are what later steps read."""

    every: list[Step]
    documents: Step
    prompts: Step
    samples: Step
    examples: Step


def curated(config: RunConfig) -> Curated:
    """Lists the steps from documents to examples; three are repeated in every round.

    Where a filter asks a judge, what it is asked is planned and answered between samples and examples.
    """
    documents = Step("documents", load_documents, config.documents, checks_input=True)
    written = round_zero(config, documents)
    known = (documents, *(step for step in written if step.name))
    prompts = Step("prompts", plan_prompts, config.prompts, known, checks_input=True)
    rounds = [prompts, *samples_and_examples(config, documents, prompts)]
    for number in range(2, config.samples.rounds + 1):
        prompts = Step("prompts", plan_prompts, RoundConfig(config.prompts, number), (documents, prompts, rounds[-1]))
        rounds += [prompts, *samples_and_examples(config, documents, prompts)]
    samples, examples = next(step for step in reversed(rounds) if step.entry == "samples"), rounds[-1]
    return Curated([documents, *written, *rounds], documents, prompts, samples, examples)


def adaptation(config: RunConfig) -> list[Step]:
    """Lists the seven steps from documents to a search that can be deployed; three are repeated in every round.

    What the report has models asked is planned and answered before the model is trained, while engines are there. What
    teaches the model comes next, where anything does.
    Examples that the user has are read first, and put together with generated ones for the model.
    A cross-encoder and a classifier are measured by what their examples are, and not handed over.

    Raises:
        UserError: the model cannot be trained on generated examples, or the report has models asked about queries
            that it does not search.
    """
    check_model(config)
    check_development(config)
    files = measured_files(config)
    every, documents, prompts, samples, examples = curated(config)
    first, last = trained_on(config, documents, examples)
    every = [documents, *first, *files, *every[1:], *last]
    learnt = last[-1] if last else examples
    taught = teaching(config, documents, examples)
    *iterations, model = model_steps(config.model, (documents, learnt, *taught[-1:]))
    if config.model.family in SCORERS:
        report = report_of_examples(config, (documents, prompts, learnt), model, files)
        return [*every, *taught, *iterations, model, report]
    asked = [*expansions(config, (documents, prompts, examples)), *reranks(config, (documents, prompts, examples))]
    answers = [step for step in asked if step.noun == "samples"]
    reader = trained_cross_encoder(config, taught)
    mixed = [replace(learnt, name=TRAINED_ON)] if last and files else []
    reported = (documents, prompts, samples, examples, model, *answers, *files, *mixed, *reader)
    report = Step("report", evaluate_model, with_scores(config), reported)
    system = Step("system", hand_over, config.system, (documents, model, report, *reader))
    return [*every, *asked, *taught, *iterations, model, report, system]


def round_zero(config: RunConfig, documents: Step) -> list[Step]:
    """Lists the same steps on small plans, for values of conditions and demonstrations that the generator writes."""
    values: list[Step] = []
    if unwritten := values_config(config.task):
        part = f"{ROUND_ZERO}/values"
        blank = Step("documents", load_documents, config.documents.one_blank(), part_of=part)
        prompts = Step("prompts", plan_prompts, unwritten, (blank,), part_of=part)
        values = [blank, prompts, generation(config.samples, blank, prompts, name="values", may_fail=True)]
    plan = demonstrations_config(config.task, config.demonstrations)
    if plan is None:
        return values
    part = f"{ROUND_ZERO}/demonstrations"
    refusal = Refusal(
        where=f"demonstrations.self_instruct={plan.count}",
        remedy="write some by hand (demonstrations.path), or choose a larger model",
    )
    prompts = Step("prompts", plan_prompts, plan, (documents, *values[-1:]), part_of=part)
    samples = generation(config.samples, documents, prompts, may_fail=True)
    curation = Step("examples", curate_examples, filters_of_one_row(), (documents, prompts, samples))
    curation = replace(curation, name="demonstrations", part_of=part, refusal=refusal)
    return [*values, prompts, samples, curation]


def samples_and_examples(config: RunConfig, documents: Step, prompts: Step) -> list[Step]:
    """Lists the steps from a plan to its examples: with a judge, a plan and its answers for each question to it."""
    samples = generation(config.samples, documents, prompts)
    asked: list[Step] = []
    for stage in judges(config):
        known = (documents, prompts, samples, *asked[1::2])
        plan = Step("prompts", plan_judgements, stage.plan, known, part_of=stage.part)
        name, may_fail = stage.criterion.judged, stage.asks_rest
        asked += [plan, generation(stage.generator, documents, plan, name=name, may_fail=may_fail)]
    curation = replace(config.examples, judged=tuple(stage.criterion for stage in judges(config)))
    inputs = (documents, prompts, samples, *asked[1::2])
    return [samples, *asked, Step("examples", curate_examples, curation, inputs)]


def judges(config: RunConfig) -> list[Stage[SamplesConfig]]:
    """Lists what the filters of a run have judges asked; nothing by default."""
    return judge_stages(config.judge, config.examples.filters, config.samples, config.task.attributes)

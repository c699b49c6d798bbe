"""What the report has models asked: expansions of its queries, and scores of passages.

In: a RunConfig, and the steps that its questions are about. Out: plans and their answers, as steps.
"""

from __future__ import annotations

from dataclasses import replace

from engine.generation.kinds import check_chat, settle_kinds
from engine.judge.pairs import PairQuestion, pair_question
from engine.judge.stages import model_beside
from engine.pipeline.config import RunConfig, nouns_of
from engine.pipeline.generation import generation
from engine.prompts.config import RowsPromptsConfig
from engine.prompts.step import plan_prompts
from engine.runtime.step import ASKED, Step
from engine.samples.config import SamplesConfig
from engine.task.compiled import compile_task
from eval.asking.config import RERANKS, asked_in_words
from eval.asking.systems import expansion_input
from eval.config import ReportConfig
from eval.expansion.step import write_queries
from eval.reranking.step import plan_pairs


def expansions(config: RunConfig, known: tuple[Step, ...]) -> list[Step]:
    """Lists the steps for each expansion of the report: its queries, a plan, and the texts that a model writes."""
    asked: list[Step] = []
    model = report_model(config)
    for name in config.report.expanded_by():
        part, expansion = f"{ASKED}/{name}", config.report.expansions[name]
        task = settle_kinds(expansion.task(name), model)
        for turn in compile_task(task).turns.values():
            check_chat(turn, model, "report.generator")
        plan = RowsPromptsConfig(task, model.model, model.context_tokens, per_row=expansion.count, refuse=False)
        rows = Step("rows", write_queries, config.report.asked_queries(), known, part_of=part)
        prompts = Step("prompts", plan_prompts, plan, (rows,), part_of=part)
        asked += [rows, prompts, generation(model, rows, prompts, name=expansion_input(name))]
    return asked


def reranks(config: RunConfig, known: tuple[Step, ...]) -> list[Step]:
    """Lists the steps by which the report puts passages in another order: their plan, and their scores."""
    if (question := question_of_report(config)) is None:
        return []
    plan = Step("prompts", plan_pairs, config.report.pairs(question.task), known, part_of=f"{ASKED}/{RERANKS}")
    return [plan, generation(question.generator, known[0], plan, name=RERANKS)]


def with_scores(config: RunConfig) -> ReportConfig:
    """Returns the settings of the report, which say where the scores of passages stand, if it asks for any."""
    question = question_of_report(config)
    return replace(config.report, reranked=question.criterion) if question else config.report


def report_model(config: RunConfig) -> SamplesConfig:
    """Returns the model that writes what the report expands queries with: the generator, unless it names another."""
    return model_beside(config.samples, config.report.generator, "report.generator", "report.generator.model")


def question_of_report(config: RunConfig) -> PairQuestion[SamplesConfig] | None:
    """Returns the question by which the report puts passages in another order; None where it does not."""
    by, settings = config.report.rerank_by, config.report.generator
    return pair_question(config.judge, by, config.samples, settings, "report.rerank_by") if by else None


def asked_of_models(config: RunConfig) -> list[str]:
    """Says what the report will have models asked, a line for each question; nothing by default, and without one."""
    if "report" not in nouns_of(config) or not config.report.asks:
        return []
    question = question_of_report(config)
    scorer = question.generator.model_name() if question else ""
    return asked_in_words(config.report, config.report.asked_queries(), report_model(config).model_name(), scorer)

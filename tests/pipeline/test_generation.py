"""The step that has a plan answered lies in the part of its plan, and says whether all answers may fail."""

from __future__ import annotations

from engine.documents.config import DocumentsConfig
from engine.documents.step import load_documents
from engine.pipeline.adaptation import round_zero
from engine.pipeline.config import RunConfig
from engine.pipeline.generation import generation
from engine.prompts.config import PromptsConfig
from engine.prompts.step import plan_prompts
from engine.runtime.step import Step
from engine.samples.config import SamplesConfig

DOCUMENTS = Step("documents", load_documents, DocumentsConfig(path="x"))
PLAN = Step("prompts", plan_prompts, PromptsConfig(), (DOCUMENTS,), part_of="judge/relevance")


def test_answers_lie_beside_their_plan_and_continue_what_an_attempt_left() -> None:
    answers = generation(SamplesConfig(), DOCUMENTS, PLAN, name="judged")
    assert (answers.entry, answers.key) == ("judge/relevance/samples", "judged")
    assert answers.resumable
    assert answers.needs_engines
    assert answers.config == SamplesConfig()


def test_all_may_fail_where_few_are_asked() -> None:
    answers = generation(SamplesConfig(max_failed_share=0.2), DOCUMENTS, PLAN, may_fail=True)
    assert isinstance(answers.config, SamplesConfig)
    assert answers.config.max_failed_share == 1.0
    assert round_zero(RunConfig(collection="x"), DOCUMENTS) == []

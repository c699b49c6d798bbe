"""Runs of every kind, which together have every step that there is."""

from pathlib import Path

from engine.examples.config import ExamplesConfig
from engine.filters.chain import FiltersConfig
from engine.judge.config import InformationConfig, JudgeConfig
from engine.pipeline.config import RunConfig
from engine.prompts.config import PromptsConfig
from engine.samples.config import SamplesConfig
from engine.task.config import AttributeConfig, TaskConfig
from eval.chunk_sizes.config import ChunkSizesConfig
from eval.config import ReportConfig
from eval.learning_curve.config import LearningCurveConfig
from eval.stages.config import SetConfig, StageConfig, StagesConfig
from training.config import Family, ModelConfig
from training.teachers.config import TeacherConfig

JUDGED = RunConfig(
    collection="x",
    judge=JudgeConfig(information=InformationConfig("{{ passage.text }}", "Question:")),
    examples=ExamplesConfig(filters=FiltersConfig(min_information=0.5)),
    model=ModelConfig(seed=0, teacher=TeacherConfig("likelihood", better_positive=True)),
    report=ReportConfig(benchmark="", expand="rewrites", rerank_by="likelihood"),
)
"""A run with a judge, a teacher and a report that asks models, so with every step that there is."""

LABELLED = TaskConfig(prompt="{{ condition.tone }}:", attributes={"tone": AttributeConfig(values=["glad", "sad"])})
"""A task whose texts can be labelled."""

SWEEPS = (
    RunConfig(collection="x", chunk_sizes=ChunkSizesConfig([64])),
    RunConfig(collection="x", learning_curve=LearningCurveConfig([0.5]), model=ModelConfig(seed=0)),
    RunConfig(collection="x", examples=ExamplesConfig(path="x", seed=0)),
    RunConfig(
        examples=ExamplesConfig(seed=0),
        model=ModelConfig(seed=0),
        stages=StagesConfig({"pairs": SetConfig("x", limit=1)}, {"ranking": StageConfig("pairs")}),
    ),
    RunConfig(task=LABELLED, collection="x", model=ModelConfig(family=Family.classifier, label="tone", seed=0)),
)
"""The runs with steps that no other has."""


def about_rows(file: Path) -> RunConfig:
    """A run of batch inference on a file of prompts."""
    return RunConfig(task=TaskConfig(), prompts=PromptsConfig(path=str(file)), samples=SamplesConfig())

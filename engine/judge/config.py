"""What can be set for a judge: what it is asked, which models answer, and when one is sure.

In: YAML under `judge`; the files of conf/judge/ are the defaults of its rubrics. Out: configs, checked when they are
made. Which rubrics a run applies is said by its filters (`examples.filters.judge`, `examples.filters.min_information`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine.artifacts.judged import Criterion
from engine.errors import UserError, check_setting
from engine.filters.chain import FiltersConfig
from engine.task.config import PromptKind, TaskConfig

SHIPPED = Path(__file__).resolve().parents[2] / "conf" / "judge"
"""The folder of the rubrics that ship."""
INFORMATION = "information"
"""The name of the filter by likelihoods, which no rubric may have."""
LIKELIHOOD = "likelihood"
"""What stands in place of a rubric where passages are ranked by the likelihood of a query."""


@dataclass  # not frozen: OmegaConf cannot fill a read-only dataclass that is a value of a mapping
class RubricConfig:
    """One question about a sample, which a judge answers with one of a few texts.

    Templates see `passage.title`, `passage.text`, `query` (the sample's cleaned text), `label` (the conditions that it
    was written under, as `form: question, length: short`), `condition.NAME` and `choices`, the texts to choose from. A
    template that writes `choices` is asked twice, with the choices in both orders, and the answers are averaged.
    """

    prompt: str = ""
    """The question, with the passage first, so that what prompts of a passage share is computed once."""
    instruction: str = ""
    """The start of every prompt (the system message of a chat)."""
    kind: PromptKind = PromptKind.auto
    choices: list[str] = field(default_factory=lambda: ["yes", "no"])
    """The answers. The verdict is the probability of the first one among them."""
    threshold: float = 0.5
    """A sample passes whose verdict is at least this."""


@dataclass(frozen=True)
class InformationConfig:
    """The two prompts of `examples.filters.min_information`, which the query is scored behind.

    The figure is log P(query | prompt) - log P(query | without), in nats per token of the query.
    """

    prompt: str = ""
    """A template with the passage, which ends where the query begins."""
    without: str = ""
    """The same without the passage."""


def shipped_rubrics() -> dict[str, RubricConfig]:
    """Reads the rubrics that ship.

    They are defaults and no choices of a group, since each file that Hydra merges into the config of a run takes 15 ms.
    """
    files = {name: values for name, values in _shipped().items() if name != INFORMATION}
    return {name: RubricConfig(**{**values, "choices": list(values["choices"])}) for name, values in files.items()}


@functools.cache
def _shipped() -> Mapping[str, dict[str, Any]]:
    return {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(SHIPPED.glob("*.yaml"))}


@dataclass(frozen=True)
class JudgeConfig:
    """The models that judge, and what they can be asked."""

    model: str = ""
    """The model that judges; empty: the generator (`samples.model`), which then judges its own work."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of that model that differ from those of `samples`: `{instruct: true, context_tokens: 4096}`."""
    cascade: list[dict[str, Any]] = field(default_factory=list)
    """Models that are asked before it, cheap to costly, with settings as above: `[{model: Qwen/Qwen3-0.6B}]`. A sample
    about which one of them is sure is not asked about again."""
    sure: float = 0.9
    """A model of the cascade is sure where its verdict is at least this, or at most 1 less this."""
    rubrics: dict[str, RubricConfig] = field(default_factory=shipped_rubrics)
    """What can be asked, by name: the files of conf/judge/, and those of the user's own folder."""
    information: InformationConfig = field(default_factory=lambda: InformationConfig(**_shipped()[INFORMATION]))

    def __post_init__(self) -> None:
        """Refuses thresholds that are no probability, questions without prompt or choice, and names that are taken."""
        check_setting(0.5 < self.sure <= 1, "judge.sure", self.sure, "above 0.5, and 1 at most")
        for name in ("prompt", "without"):
            if not getattr(self.information, name).strip():
                remedy = "write some text, such as `Question:`: a model scores nothing without a token before it"
                raise UserError("is empty", where=f"judge.{INFORMATION}.{name}", remedy=remedy)
        for name, rubric in self.rubrics.items():
            where = f"judge.rubrics.{name}"
            check_setting(0 < rubric.threshold <= 1, f"{where}.threshold", rubric.threshold, "above 0, and 1 at most")
            if not rubric.prompt.strip():
                raise UserError("asks nothing", where=f"{where}.prompt", remedy="write a template with `query` in it")
            if len(rubric.choices) < 2:
                raise UserError("has fewer than two choices", where=f"{where}.choices", remedy="write [yes, no], say")
            if {"True", "False"} & set(rubric.choices):
                raise UserError("a choice is a truth value", where=f"{where}.choices", remedy='quote it: ["yes", "no"]')
            if name in {INFORMATION, LIKELIHOOD} or not name.isidentifier():
                remedy = "call it otherwise, with letters, digits and underscores"
                raise UserError(f"{name!r} cannot be the name of a rubric", where=where, remedy=remedy)


@dataclass(frozen=True)
class JudgementsConfig:
    """The plan of one question to one model."""

    task: TaskConfig
    """The question, as turns that are scored."""
    rubric: str
    filters: FiltersConfig
    """The row filters of curation: what they reject is not asked about."""
    earlier: tuple[Criterion, ...] = ()
    """What was asked before: those whom it settles are not asked again."""

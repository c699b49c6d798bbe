"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import II

from engine.errors import UserError
from engine.generation.config import SamplesConfig
from engine.models.resolve import model_digest
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.constraints import check_constraints
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.prompts.round_zero import is_written
from engine.runtime.identity import fields_of, placement
from engine.task.config import TaskConfig


@dataclass(frozen=True)
class PromptsConfig:
    """How many samples are planned, for which task."""

    per_passage: int = 1
    """Samples planned for each passage."""
    max_samples: int = 0
    """At most this many in all; 0 for no limit."""
    rounds: int = II("samples.rounds")
    """Rounds that they are planned in (engine/prompts/rounds.py)."""
    extra_per_passage: int = 2
    """Samples beyond its even share that a passage may get in later rounds."""
    task: TaskConfig = II("task")
    demonstrations: DemonstrationsConfig = II("demonstrations")
    model: str = II("samples.model")
    """Whose tokenizer counts."""
    context_tokens: int = II("samples.context_tokens")
    max_tokens: int = placement(II("samples.max_tokens"))
    samples: SamplesConfig = II("samples")
    """Who writes round 0, where a task has one."""
    seed: int = II("seed")

    def __post_init__(self) -> None:
        for name, least in (("per_passage", 1), ("max_samples", 0), ("extra_per_passage", 0)):
            value = getattr(self, name)
            if value < least:
                raise UserError(f"{value} is too small", where=f"prompts.{name}", remedy=f"set it to {least} or more")
        if isinstance(self.task, TaskConfig):  # not the interpolation that stands here before a run is composed
            check_constraints(self.task.exclude, self.task.quotas, make_conditions(self.task.attributes))

    def identity(self) -> dict[str, object]:
        """The tokenizer's content in place of the model's name."""
        unused = [] if is_written(self.task, self.demonstrations) else ["samples"]
        return fields_of(self, without=unused) | {"model": model_digest(self.model, key="samples.model")}


@dataclass(frozen=True)
class RoundConfig:
    """A round after the first."""

    prompts: PromptsConfig
    number: int
    """Counted from 2."""

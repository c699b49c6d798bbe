"""The settings of planning: how many samples, for which task; and those of the plans of round 0 and of later rounds.

In: YAML under `prompts`, and by interpolation the task, the demonstrations and what of the generator's config decides
how long a prompt may be. Out: frozen configs, checked when they are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omegaconf import II

from engine.errors import check_setting
from engine.models.resolve import model_digest
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.constraints import check_constraints
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.runtime.identity import fields_of, placement
from engine.task.config import PromptKind, TaskConfig, WrittenConfig

_OF_ROWS = ("path", "id_field", "per_row", "row_sampling", "refuse")
"""Settings of batch inference, which change no plan about documents."""


@dataclass(frozen=True)
class PromptsConfig:
    """How many samples are planned, for which task."""

    path: str = ""
    """A file of prompts or a folder of such files, for batch inference in place of documents (engine/rows/)."""
    id_field: str = ""
    """Of a file of prompts: the field of a row's id. Empty: an id is the hash of a row's content."""
    per_row: int = 1
    """The number of samples planned for each row of a file of prompts."""
    row_sampling: bool = True
    """Whether columns of a file that are named as a setting (`temperature`, `max_tokens`, `stop` ...) set it for
    their row; those that a template names never do."""
    refuse: bool = True
    """Whether a row of a file that cannot be asked, as one too long for the context, ends the run; else it fails
    alone."""
    per_passage: int = 1
    """The number of samples planned for each passage."""
    max_samples: int = 0
    """The most samples in all; 0 is no limit."""
    rounds: int = II("samples.rounds")
    """The number of rounds that they are planned in (engine/prompts/rounds.py)."""
    extra_per_passage: int = 2
    """The samples beyond its even share that a passage may get in later rounds."""
    task: TaskConfig = II("task")
    demonstrations: DemonstrationsConfig = II("demonstrations")
    model: str = II("samples.model")
    """The model whose tokenizer counts the tokens of prompts."""
    context_tokens: int = II("samples.context_tokens")
    max_tokens: int = placement(II("samples.max_tokens"))
    seed: int = II("seed")

    def __post_init__(self) -> None:
        for name, least in (("per_passage", 1), ("per_row", 1), ("max_samples", 0), ("extra_per_passage", 0)):
            value = getattr(self, name)
            check_setting(value >= least, f"prompts.{name}", value, f"{least} or more", fault="is too small")
        if isinstance(self.task, TaskConfig):  # before a run is composed, an interpolation stands here
            check_constraints(self.task.exclude, self.task.quotas, make_conditions(self.task.attributes))

    def identity(self) -> dict[str, object]:
        """Returns the fields, with the content of the tokenizer in place of the model's name."""
        return fields_of(self, without=_OF_ROWS) | {"model": model_digest(self.model, key="samples.model")}


@dataclass(frozen=True)
class RowsPromptsConfig:
    """A plan about the rows of a file."""

    task: TaskConfig
    model: str
    """The model whose tokenizer counts the tokens of prompts."""
    context_tokens: int
    per_row: int = 1
    """The number of samples planned for each row."""
    refuse: bool = True
    """Whether a row that cannot be asked ends the run; else it fails alone."""
    block_tokens: int = placement(16)
    """What a block of the engines' prefix cache holds: the forecast of what is shared rests on it, no plan does."""

    def identity(self) -> dict[str, object]:
        """Returns the fields, with the content of the tokenizer in place of the model's name."""
        return fields_of(self) | {"model": model_digest(self.model, key="samples.model")}


@dataclass(frozen=True)
class RoundConfig:
    """The plan of a round after the first."""

    prompts: PromptsConfig
    number: int
    """The number of the round, 2 or more."""


@dataclass(frozen=True)
class ValuesConfig:
    """A plan of round 0: conditions whose values the generator writes (`written` in a task's attributes)."""

    kind: PromptKind
    """How the task addresses the model; its values are asked for in the same way."""
    written: Mapping[str, WrittenConfig]
    """The prompts that ask for values, by condition."""


@dataclass(frozen=True)
class SelfInstructConfig:
    """A plan of round 0: demonstrations that the generator writes (`demonstrations.self_instruct`)."""

    task: TaskConfig
    """The task, without what zero-shot samples of it do not depend on: see `engine.prompts.round_zero.zero_shot`."""
    count: int
    """The number of demonstrations to write."""
    seed: int
    """The seed of the conditions that are drawn."""

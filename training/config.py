"""The settings of tuning: every key of `model.*`.

In: values from YAML and the command line. Out: a frozen ModelConfig that has refused what cannot work. Keys that belong
together stand beside what reads them: losses, hard negatives, workers. It imports neither torch nor Ray, because the
config is read on every start, also where the model is made already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from omegaconf import II

from engine.errors import UserError
from engine.models.precision import Precision
from engine.runtime.identity import fields_of
from engine.search.pooling import Pooling
from training.families.lora import LoraConfig
from training.losses.settings import Loss, LossSettings
from training.negative_settings import NegativeSettings
from training.teachers.config import TeacherConfig
from training.validation.config import ValidationConfig
from training.workers.settings import WorkerSettings

if TYPE_CHECKING:
    from engine.search.usage import Usage

BASE_KEY = "model.base"
"""The config key that names the base, for messages."""
GUIDE_KEY = "model.guide"
"""The config key that names the guide, for messages."""
HIGHEST_RATE = 1.0
"""A learning rate beyond this is a slip, such as 2e5 for 2e-5."""
_AT_LEAST_ONE = ("max_tokens", "train_max_tokens", "epochs", "iterations")
_OF_ENCODERS = ("query_prefix", "passage_prefix", "pooling", "base_share", "validation")
"""The fields that do not reach a scorer: it reads texts as they are, and no search measures it while it trains."""
_OF_LISTWISE_KL = {"teacher_temperature", "ranking_share"}
"""The settings of losses that reach a cross-encoder, and only by `kl` (`training.losses.scored`)."""


class Family(Enum):
    """The kind of model that is trained."""

    bi_encoder = "bi_encoder"
    """Queries and passages become vectors of one space, each by itself."""
    cross_encoder = "cross_encoder"
    """A query and a passage are read together and scored."""
    classifier = "classifier"
    """A text gets labels."""
    adapter = "adapter"
    """A linear layer over the vectors of queries; the bi-encoder below it and the vectors of passages stay the same."""

    @property
    def with_article(self) -> str:
        """Returns the name as a sentence has it, such as `an adapter`."""
        return f"{'an' if self.value[0] in 'aeiou' else 'a'} {self.value}"


SCORERS = frozenset({Family.cross_encoder, Family.classifier})
"""The families that make scores and no vectors."""


class ClassWeights(Enum):
    """How much examples count by their label."""

    none = "none"
    """All the same."""
    balanced = "balanced"
    """As much more as the label is rarer, so that all labels together count the same."""


@dataclass(frozen=True)
class ModelConfig(LossSettings, NegativeSettings, WorkerSettings):
    """How the base model is tuned: data of a step, optimizer, loss, hard negatives, and where it runs."""

    base: str = "bundled:all-minilm-l6-v2"
    """The model that is tuned: `bundled:NAME`, a local folder or a Hugging Face id."""
    query_prefix: str | None = None
    """This text is put before every query, here and wherever the model is used; the model stores it as its prompt
    `query`. Null takes the base's own prompt for queries, "" puts nothing there."""
    passage_prefix: str | None = None
    """This text is put before every passage; the model stores it as its prompt `document`. Null takes the base's own
    prompt for documents or passages."""
    max_tokens: int = 256
    """The encoder reads so many tokens of a text in the report and in the finished model, or as many as the base
    allows: see `engine.search.usage.length_limit`."""
    train_max_tokens: int = 192
    """The encoder reads so many tokens of a text while it trains; memory and time grow with them."""
    learning_rate: float = 4e-5
    """The highest learning rate, for steps of `batch_size` pairs; for smaller steps see `with_batch_size`."""
    epochs: int = 3
    """Training passes over the examples so many times, in each iteration."""
    iterations: int = 1
    """After each iteration hard negatives are mined anew, with the model that it made, and the next one goes on from
    there with a fresh optimizer. Each is a step of its own; the last one's model is that of the run."""
    base_share: float | None = None
    """The finished weights are (1 - base_share) * tuned + base_share * those that training began with (in a later
    iteration: of the one before). Null is what fits: 0.5 where the base is a sentence-transformers model, which keeps
    most of the gain and takes most of the harm away; 0 where it is a plain language model that never made vectors for
    search, or gets a new head."""
    batch_size: int = 128
    """A step has so many pairs over all workers, and ranks each query against the passages of all of them. It has
    fewer where there are so few examples that an epoch would have less than five steps."""
    warmup_share: float = 0.1
    """The learning rate rises during this share of the steps and falls linearly to zero afterwards."""
    weight_decay: float = 0.0
    """The weight decay of AdamW."""
    loss: Loss = Loss.auto
    """The loss that is minimised."""
    family: Family = Family.bi_encoder
    """The kind of model that is made of the base."""
    pooling: Pooling = Pooling.auto
    """The way from the vectors of tokens to that of a text."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Low-rank matrices are trained in place of all weights."""
    label: Any = ""
    """The condition of the task whose value labels a generated text, or a list of conditions, of which those with the
    value `yes` are the labels. Empty: examples are queries and passages, or what `examples.path` has."""
    controls: dict[str, Any] = field(default_factory=dict)
    """Condition -> value: generated texts with all of these get no label and are not trained on, and the report
    compares how different the others are from one another with how different these are."""
    class_weights: ClassWeights = ClassWeights.none
    """How much the examples of each label count."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """What is measured while the model trains, and what follows from it."""
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    """What scores several passages of each query, and what is learned of it; no teacher by default."""
    precision: Precision = Precision.auto
    """The arithmetic of the forward pass; weights and optimizer are fp32 always."""
    seed: int = II("seed")
    """The seed of batches, dropout and random negatives."""

    def __post_init__(self) -> None:
        """Refuses values that could only fail later, when data and models are loaded."""
        self.check_losses()
        self.check_negatives(self._check)
        self.check_workers(self._check)
        for name in _AT_LEAST_ONE:
            self._check(name, getattr(self, name) >= 1, "1 or more")
        self._check("batch_size", self.batch_size >= 2, "2 or more: with one row there are no negatives")
        self._check("learning_rate", 0 < self.learning_rate <= HIGHEST_RATE, "more than 0, and at most 1, such as 4e-5")
        self._check("base_share", self.base_share is None or 0 <= self.base_share < 1, "0 or more, and less than 1")
        self._check("weight_decay", self.weight_decay >= 0, "0 or more")
        self._check("warmup_share", 0 <= self.warmup_share < 1, "0 or more, and less than 1")
        workers = max(self.num_workers, 1)
        self._check("batch_size", self.batch_size % workers == 0, f"a multiple of model.num_workers={workers}")
        self._check_family()
        mines = self.iterations == 1 or self.num_hard_negatives >= 1
        self._check("iterations", mines, "1, or set model.num_hard_negatives, which each iteration mines anew")

    def _check_family(self) -> None:
        """Refuses settings that the family has no use for."""
        is_scorer, is_adapter = self.family in SCORERS, self.family is Family.adapter
        kind = f"{self.family.with_article} "
        self._refuse("pooling", is_scorer and self.pooling is not Pooling.auto, f"{kind}makes no vectors", "auto")
        for name in ("query_prefix", "passage_prefix"):
            what = f"{kind}reads texts as they are, wherever it is loaded"
            self._refuse(name, is_scorer and bool(getattr(self, name)), what, "null")
        self._refuse("lora.rank", is_adapter and self.lora.rank > 0, f"{kind}has one layer that is trained", "0")
        is_apart = self.lora.rank > 0 and not self.lora.merge
        self._refuse("lora.merge", is_scorer and is_apart, f"{kind}has a head that is trained too", "true")
        what = "an iteration begins with whole weights, and matrices beside them would stay beside new ones"
        self._refuse("lora.merge", is_apart and self.iterations > 1, what, "true")
        is_other = self.family is not Family.bi_encoder
        what = f"{kind}has weights that its base has not"
        self._refuse("base_share", is_other and bool(self.base_share), what, "null")
        self._refuse("iterations", is_other and self.iterations > 1, f"{kind}mines nothing by its vectors", "1")
        self._refuse("label", self.family is not Family.classifier and bool(self.label), f"{kind}has no labels", "''")
        what = "controls are generated texts without a label, and no condition is one (model.label)"
        self._refuse("controls", bool(self.controls) and not self.label, what, "{}")

    def _refuse(self, name: str, is_refused: bool, what: str, allowed: str) -> None:
        value: object = self
        for part in name.split("."):
            value = getattr(value, part)
        if is_refused:
            shown = value.value if isinstance(value, Enum) else value
            raise UserError(what, where=f"model.{name}={shown}", remedy=f"set it to {allowed}")

    def with_batch_size(self, batch_size: int) -> ModelConfig:
        """Returns the same config for steps of another size.

        The learning rate is multiplied by the square root of the ratio of the sizes, which keeps the noise of Adam's
        updates the same (Malladi et al. 2022).
        """
        rate = self.learning_rate * math.sqrt(batch_size / self.batch_size)
        return replace(self, batch_size=batch_size, learning_rate=rate)

    def usage(self) -> Usage:
        """Returns the prefixes and the similarity to train with: those of the base where the config says nothing.

        A scorer reads texts as they are, whatever its base was used for.

        Raises:
            UserError: there is no such base, or its vectors are compared in a way that cannot be trained by.
        """
        from engine.search.usage import Similarity, Usage, usage_of

        if self.family in SCORERS:
            return Usage("", "", Similarity.cosine)
        return usage_of(self.base, self.query_prefix, self.passage_prefix, key=BASE_KEY)

    def _check_base(self) -> None:
        from engine.models.resolve import resolve_model
        from training.base import check_classifier, check_encoder

        folder, where = resolve_model(self.base, key=BASE_KEY), f"{BASE_KEY}={self.base}"
        if self.family in SCORERS:
            check_classifier(folder, where)
        else:
            check_encoder(folder, self.pooling, where, plain=self.family is not Family.adapter)

    def identity(self) -> dict[str, object]:
        """Returns the fields that change the result.

        The base counts by its weights, not by its name or folder, and prefixes as they are really used. Settings that
        do not reach the family are left out, so that they make no other model of it.

        Raises:
            UserError: there is no such base, or the family cannot be made of it; a run asks this before it starts
                anything.
        """
        from engine.models.resolve import model_digest

        self._check_base()
        identity = fields_of(self, without=self._without_effect()) | {"base": model_digest(self.base, key=BASE_KEY)}
        if self.num_hard_negatives:
            from training.retriever import retriever_of

            identity["retriever"] = retriever_of(self).identity()
        if self.family in SCORERS:
            return identity
        usage = self.usage()
        return identity | {
            "query_prefix": usage.query_prefix,
            "passage_prefix": usage.passage_prefix,
            "similarity": usage.similarity.value,
            "guide": model_digest(self.guide, key=GUIDE_KEY) if self.guide else "",
        }

    def _without_effect(self) -> set[str]:
        """Returns the names of the fields that change nothing, or that other parts of the identity stand for."""
        names = {"label", "controls", "retriever"}  # of which the first two tell the examples step
        if not self.num_hard_negatives:
            names |= {field.name for field in fields(NegativeSettings)}
        if self.family in SCORERS:
            names |= {*_OF_ENCODERS, *(field.name for field in fields(LossSettings))}
        if self.family is Family.cross_encoder and self.loss is Loss.kl:
            names -= _OF_LISTWISE_KL
        return names if self.family is Family.classifier else names | {"class_weights"}

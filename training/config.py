"""The settings of tuning: every key of `model.*`, and the losses to choose from.

In: values from YAML and the command line. Out: a frozen ModelConfig that has refused what cannot work. It imports
neither torch nor Ray, because the config is read on every start, also where the model is made already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from omegaconf import II

from engine.errors import UserError
from engine.models.precision import Precision
from engine.runtime.identity import fields_of, placement
from engine.search.pooling import Pooling
from training.families.lora import LoraConfig
from training.losses.settings import LossSettings
from training.teachers.config import TeacherConfig
from training.validation.config import ValidationConfig

if TYPE_CHECKING:
    from engine.search.usage import Usage

BASE_KEY = "model.base"
"""The config key that names the base, for messages."""
GUIDE_KEY = "model.guide"
"""The config key that names the guide, for messages."""
HIGHEST_RATE = 1.0
"""A learning rate beyond this is a slip, such as 2e5 for 2e-5."""
_AT_LEAST_ONE = ("max_tokens", "train_max_tokens", "epochs", "iterations", "checkpoint_steps")
_NOT_NEGATIVE = ("num_hard_negatives", "num_workers", "max_failures")


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


SCORERS = frozenset({Family.cross_encoder, Family.classifier})
"""The families that make scores and no vectors."""


class Loss(Enum):
    """The loss that training minimises; `training.losses.combinations` says which rows and families each fits."""

    auto = "auto"
    """Stands for the usual loss of the family and the rows (`training.losses.combinations`); where that is `mnrl`, for
    `cached_mnrl` where a batch would not fit into memory (`training.losses.auto`)."""
    mnrl = "mnrl"
    """Multiple negatives ranking: the cross-entropy of each query's own passage among all passages of the batch
    (InfoNCE, van den Oord et al. 2018)."""
    cached_mnrl = "cached_mnrl"
    """The same loss with GradCache (Gao et al. 2021): it holds `mini_batch_size` rows in memory for batches of any
    size, and does about twice the work."""
    gist = "gist"
    """The same loss without the negatives that `guide` scores higher than the query's own passage (Solatorio 2024)."""
    triplet = "triplet"
    """The passage is to score `margin` more than the negative (Schroff et al. 2015)."""
    contrastive = "contrastive"
    """Two texts of score 1 are drawn together, and those of score 0 apart up to `margin` (Hadsell et al. 2006)."""
    cosine = "cosine"
    """The squared difference between the cosine of two texts and their score (Reimers and Gurevych 2019)."""
    cosent = "cosent"
    """Pairs of a higher score are to be more alike than all pairs of a lower one in the batch (Huang et al. 2024)."""
    denoising = "denoising"
    """A decoder is to write a text from the vector of what `noise` left of it (TSDAE, Wang et al. 2021)."""
    margin_mse = "margin_mse"
    """The squared difference between student and teacher in how much more the positive scores than each other candidate
    (Hofstätter et al. 2020)."""
    kl = "kl"
    """The divergence of the student's ranking of a query's candidates from the teacher's (Lin et al. 2020), and
    `ranking_share` of the ranking loss; of a cross-encoder `listwise` is the ranking loss."""
    listwise = "listwise"
    """The cross-entropy of a query's passage among that and its negatives, which only a reranker needs for itself:
    ListNet (Cao et al. 2007) with all weight on the passage, as in Gao et al. 2021."""
    lambda_loss = "lambda_loss"
    """The passage is to score more than each negative, weighted by what changing their places does to nDCG (LambdaLoss
    with NDCG-Loss2++, Wang et al. 2018)."""
    cross_entropy = "cross_entropy"
    """The cross-entropy of a text's one label among all labels."""
    binary_cross_entropy = "binary_cross_entropy"
    """The cross-entropy of yes or no, for each label of a text by itself, or for a query and a passage."""


class ClassWeights(Enum):
    """How much examples count by their label."""

    none = "none"
    """All the same."""
    balanced = "balanced"
    """As much more as the label is rarer, so that all labels together count the same."""


@dataclass(frozen=True)
class ModelConfig(LossSettings):
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
    class_weights: ClassWeights = ClassWeights.none
    """How much the examples of each label count."""
    num_hard_negatives: int = 0
    """Each query gets so many mined passages, which the base ranks high and which are of other documents; with 0 none
    are mined."""
    hard_negative_first_rank: int = 1
    """Mining starts at this rank of the base's ranking; a larger one skips the likeliest unjudged answers."""
    hard_negative_last_rank: int = 50
    """Mining ends at this rank of the base's ranking."""
    hard_negative_margin: float = 0.95
    """A passage that scores more than this share of the query's own passage may be an answer and is not taken."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """What is measured while the model trains, and what follows from it."""
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    """What scores several passages of each query, and what is learned of it; no teacher by default."""
    precision: Precision = Precision.auto
    """The arithmetic of the forward pass; weights and optimizer are fp32 always."""
    seed: int = II("seed")
    """The seed of batches, dropout and random negatives."""
    num_workers: int = placement(0)
    """The number of training processes; 0 stands for one per GPU of the cluster, or one where there is no GPU."""
    gpus_per_worker: float = placement(1.0)
    """The GPUs that a training process takes, where there are any."""
    checkpoint_steps: int = placement(500)
    """A checkpoint is kept each so many steps; after a crash training goes on from the last one."""
    max_failures: int = placement(2)
    """Training starts again so often after it lost a worker, before it gives up."""

    def __post_init__(self) -> None:
        """Refuses values that could only fail later, when data and models are loaded."""
        self.check_losses()
        for name in _AT_LEAST_ONE:
            self._check(name, getattr(self, name) >= 1, "1 or more")
        self._check("batch_size", self.batch_size >= 2, "2 or more: with one row there are no negatives")
        self._check("learning_rate", 0 < self.learning_rate <= HIGHEST_RATE, "more than 0, and at most 1, such as 4e-5")
        self._check("base_share", self.base_share is None or 0 <= self.base_share < 1, "0 or more, and less than 1")
        self._check("warmup_share", 0 <= self.warmup_share < 1, "0 or more, and less than 1")
        self._check("hard_negative_margin", 0 < self.hard_negative_margin <= 1, "more than 0, and at most 1")
        for name in _NOT_NEGATIVE:
            self._check(name, getattr(self, name) >= 0, "0 or more")
        is_range = 1 <= self.hard_negative_first_rank <= self.hard_negative_last_rank
        self._check("hard_negative_first_rank", is_range, "a rank from 1 to model.hard_negative_last_rank")
        workers = max(self.num_workers, 1)
        self._check("batch_size", self.batch_size % workers == 0, f"a multiple of model.num_workers={workers}")
        self._check_family()
        mines = self.iterations == 1 or self.num_hard_negatives >= 1
        self._check("iterations", mines, "1, or set model.num_hard_negatives, which each iteration mines anew")

    def _check_family(self) -> None:
        """Refuses settings that the family has no use for."""
        is_scorer, is_adapter = self.family in SCORERS, self.family is Family.adapter
        kind = f"a {self.family.value} "
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

        Raises:
            UserError: there is no such base, or its vectors are compared in a way that cannot be trained by.
        """
        from engine.search.usage import usage_of

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

        The base counts by its weights, not by its name or folder, and prefixes as they are really used.

        Raises:
            UserError: there is no such base, or the family cannot be made of it; a run asks this before it starts
                anything.
        """
        from engine.models.resolve import model_digest

        self._check_base()
        usage = self.usage()
        return fields_of(self, without=("label",)) | {  # which tells the examples step
            "base": model_digest(self.base, key=BASE_KEY),
            "query_prefix": usage.query_prefix,
            "passage_prefix": usage.passage_prefix,
            "similarity": usage.similarity.value,
            "guide": model_digest(self.guide, key=GUIDE_KEY) if self.guide else "",
        }

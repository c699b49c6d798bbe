"""The losses to choose from, and their settings: the keys of `model.*` that one loss or another reads.

In: values from YAML and the command line. Out: a frozen LossSettings, which refuses what cannot work. `ModelConfig` is
one of these, so that each of them is a key of `model`. It imports neither torch nor Ray.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from engine.errors import check_setting
from engine.runtime.identity import placement


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


READ_BY: Mapping[str, tuple[Loss, ...]] = {
    "margin": (Loss.triplet, Loss.contrastive),
    "noise": (Loss.denoising,),
    "teacher_temperature": (Loss.kl,),
    "ranking_share": (Loss.kl,),
}
"""The losses that read a setting, of settings that are not refused with others: a search over losses sets them too."""


@dataclass(frozen=True)
class LossSettings:
    """What is set about losses, beside which of them is minimised."""

    scale: float | None = None
    """Scores are multiplied by this before they are compared; it is the inverse of the temperature. Null stands for 20
    where scores are cosines, and for 1 where they are dot products of vectors of any length."""
    symmetric: bool = False
    """Whether the losses `mnrl` and `cached_mnrl` train the direction from passage to query too, with a softmax of its
    own; others have none."""
    mini_batch_size: int = placement(0)
    """The loss `cached_mnrl` holds so many rows in memory at a time; 0 stands for 32 on a CPU and 256 on a GPU."""
    tokens_per_pass: int = placement(2048)
    """On a CPU a batch is embedded in passes of so many tokens at most, rows of like length together, which saves
    padding and stays in its caches; 0 means one pass."""
    matryoshka: list[int] = field(default_factory=list)
    """The first so many dimensions of a vector are trained to work alone, for each number of the list, such as
    `[384,256,128,64]` (Kusupati et al. 2022); empty trains whole vectors only."""
    margin: float = 0.5
    """The loss `triplet` asks the passage to score so much more than the negative, and `contrastive` asks texts that
    differ for a similarity of at most one minus this."""
    guide: str = ""
    """The model by which `gist` tells false negatives: `bundled:NAME`, a folder or a hub id; empty is the base, and so
    it has to be with any other loss."""
    noise: float = 0.6
    """The loss `denoising` hides this share of a text's words from the encoder."""
    teacher_temperature: float = 0.25
    """The loss `kl` divides teacher scores by this before their softmax; a smaller one trusts the best candidate more.
    It fits scores that are standardised for each query."""
    ranking_share: float = 0.5
    """In the loss `kl` the ranking loss of the positive counts so much, and the teacher's ranking the rest."""
    share_candidates: bool = True
    """Whether the ranking loss in `kl` ranks a positive among the candidates of all queries of the batch."""

    def check_losses(self) -> None:
        """Refuses values that could only fail later.

        Raises:
            UserError: a value is out of range.
        """
        self._check("scale", self.scale is None or self.scale > 0, "more than 0, such as 20")
        self._check("mini_batch_size", self.mini_batch_size >= 0, "0 or more")
        self._check("tokens_per_pass", self.tokens_per_pass >= 0, "0 or more")
        dimensions = self.matryoshka
        are_sizes = all(dimension > 0 for dimension in dimensions) and len(set(dimensions)) == len(dimensions)
        self._check("matryoshka", are_sizes, "different numbers of dimensions, such as [384,256,128,64]")
        self._check("margin", self.margin > 0, "more than 0, such as 0.5")
        self._check("noise", 0 < self.noise < 1, "more than 0, and less than 1")
        self._check("teacher_temperature", self.teacher_temperature > 0, "more than 0, such as 0.25")
        self._check("ranking_share", 0 <= self.ranking_share < 1, "0 or more, and less than 1")

    def _check(self, name: str, is_allowed: bool, allowed: str) -> None:
        check_setting(is_allowed, f"model.{name}", getattr(self, name), allowed)

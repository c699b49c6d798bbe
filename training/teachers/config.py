"""The settings of a teacher: every key of `model.teacher.*`.

In: values from YAML and the command line. Out: a frozen TeacherConfig that has refused what cannot work. It imports no
search, since every training reads it. Whether a rubric exists is asked by the pipeline, which knows the judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from engine.errors import UserError, check_setting
from engine.runtime.identity import identity_of

KEY = "model.teacher"
NONE, FUSED, LIKELIHOOD, CROSS_ENCODER = MODES = ("none", "fused", "likelihood", "cross_encoder")
"""What `by` may be beside the name of a rubric."""
DEEPEST = 200
"""A ranking by words and meaning has so many passages at most: 100 of each."""
_ROUND_TRIP = "round_trip"
"""The reason of queries that curation rejects because they do not lead back to their passage."""


class TaughtQueries(Enum):
    """The queries that are trained on where there is a teacher."""

    kept = "kept"
    """Those that curation keeps."""
    filtered = "filtered"
    """These, and those that only the round trip rejected: the teacher says which passages answer them."""


@dataclass(frozen=True)
class TeacherConfig:
    """What scores the candidates of each query, which passages are candidates, and what the scores are used for."""

    by: str = NONE
    """What scores the candidates: `none`, there is no teacher; `fused`, search by words and meaning; `likelihood`, that
    of the query given the passage, by the generator; `cross_encoder`; or a rubric of conf/judge/, by the judge."""
    cross_encoder: str = ""
    """The cross-encoder: a local folder or a hub id. Empty: one is trained on the same examples first."""
    training: dict[str, Any] = field(default_factory=dict)
    """Settings of `model.*` that differ for the training of that cross-encoder: `{epochs: 1}`."""
    max_tokens: int = 512
    """A cross-encoder reads so many tokens of a query with its passage."""
    generator: dict[str, Any] = field(default_factory=dict)
    """Settings of the model that gives likelihoods, where they differ from `samples`: `{model: Qwen/Qwen3-0.6B}`."""
    top: int = 4
    """Candidates of each query from the top of the ranking by words and meaning, beside its own passage."""
    deeper: int = 3
    """Candidates that are drawn from deeper ranks."""
    first_rank: int = 10
    """The first of these ranks; passages of the query's own document have none."""
    last_rank: int = 100
    """The last of these ranks."""
    words: float = 0.5
    """The weight of words (BM25) in that ranking, 0 to 1; the rest is that of the base model. One half is what a report
    takes too where nothing speaks against it."""
    queries: TaughtQueries = TaughtQueries.kept
    """The queries that are trained on."""
    better_positive: bool = False
    """Whether a candidate that the teacher scores highest takes the place of the query's own passage."""
    better_margin: float = 0.0
    """The standard deviations by which it has to be ahead of the own passage."""
    mask_false_negatives: bool = False
    """Whether candidates that score as well as the positive are kept out of its batches, where they would be
    negatives."""
    mask_margin: float = 0.0
    """The standard deviations by which a candidate may be behind and still count as an answer."""

    def __post_init__(self) -> None:
        """Refuses values that could only fail later, and settings that would change nothing."""
        for name in ("top", "deeper", "better_margin", "mask_margin"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        self._check("top", self.top + self.deeper >= 1, f"1 or more, or {KEY}.deeper to 1 or more")
        ranks = 1 <= self.first_rank <= self.last_rank <= DEEPEST
        self._check("first_rank", ranks, f"a rank from 1 to {KEY}.last_rank, which is {DEEPEST} at most")
        self._check("words", 0 <= self.words <= 1, "0 to 1")
        if self.by != CROSS_ENCODER and (self.cross_encoder or self.training):
            name = "cross_encoder" if self.cross_encoder else "training"
            remedy = f"set {KEY}.by={CROSS_ENCODER}, or leave it out"
            raise UserError(f"is set, and the teacher is {self.by}", where=f"{KEY}.{name}", remedy=remedy)
        if self.cross_encoder and self.training:
            remedy = f"leave out {KEY}.cross_encoder, so that one is trained, or this"
            raise UserError("is for a cross-encoder that is trained", where=f"{KEY}.training", remedy=remedy)

    def _check(self, name: str, is_allowed: bool, allowed: str) -> None:
        check_setting(is_allowed, f"{KEY}.{name}", getattr(self, name), allowed)

    @property
    def is_there(self) -> bool:
        """Tells whether there is a teacher."""
        return self.by != NONE

    def check_use(self, *, reads_candidates: bool, num_hard_negatives: int, ranks_positive: bool = False) -> None:
        """Refuses a teacher that nothing is learned from, uses of one that is not there, and two kinds of negatives.

        Args:
            reads_candidates: whether the loss learns from the scores of candidates.
            num_hard_negatives: the mined negatives of each query.
            ranks_positive: whether that loss also ranks the positive before all other candidates, whatever they score.

        Raises:
            UserError: with the key to change.
        """
        uses = [name for name in ("better_positive", "mask_false_negatives") if getattr(self, name)]
        uses += ["queries"] if self.queries is not TaughtQueries.kept else []
        if not self.is_there:
            if uses:
                remedy = f"set {KEY}.by={FUSED}, or {CROSS_ENCODER}"
                raise UserError("needs a teacher", where=f"{KEY}.{uses[0]}", remedy=remedy)
            return
        if not uses and not reads_candidates:
            remedy = f"set model.loss=kl, {KEY}.better_positive=true or {KEY}.mask_false_negatives=true"
            raise UserError("changes nothing", where=f"{KEY}.by={self.by}", remedy=remedy)
        if self.mask_false_negatives and reads_candidates:
            what = "is for passages of other rows, and the loss weighs candidates by their scores"
            raise UserError(what, where=f"{KEY}.mask_false_negatives", remedy="leave it out, or set model.loss=auto")
        if self.better_positive and ranks_positive:
            what = "makes the passage that a query was written from a negative, which kl's ranking loss pushes away"
            remedy = "set model.ranking_share=0, or leave it out: the teacher's ranking has the better one first"
            raise UserError(what, where=f"{KEY}.better_positive", remedy=remedy)
        if num_hard_negatives and (self.better_positive or reads_candidates):
            what = "are mined, and a teacher chooses passages as well"
            remedy = f"set it to 0, and {KEY}.top and {KEY}.deeper instead"
            raise UserError(what, where=f"model.num_hard_negatives={num_hard_negatives}", remedy=remedy)

    def reasons(self) -> tuple[str, ...]:
        """Returns the reasons of rejected examples that are trained on beside the kept ones."""
        return (_ROUND_TRIP,) if self.is_there and self.queries is TaughtQueries.filtered else ()

    def identity(self) -> dict[str, object]:
        """Returns what the training itself makes of a teacher; what the teacher is, its own steps say."""
        if not self.is_there:
            return {"by": NONE}
        uses = ("queries", "better_positive", "better_margin", "mask_false_negatives", "mask_margin")
        return {name: identity_of(getattr(self, name)) for name in uses}

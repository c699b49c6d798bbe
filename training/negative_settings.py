"""The settings of hard negatives, and of the encoder that searches for them: keys of `model.*`.

In: values from YAML and the command line. Out: a frozen NegativeSettings, which refuses what cannot work. `ModelConfig`
is one of these, so that each of them is a key of `model`. It imports neither torch nor Ray.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.errors import UserError
from engine.search.pooling import Pooling

RETRIEVER_KEY = "model.retriever"
"""The config key of what searches, for messages."""


@dataclass(frozen=True)
class RetrieverConfig:
    """The encoder that searches for hard negatives and for a teacher's candidates."""

    model: str = ""
    """`bundled:NAME`, a local folder or a hub id. Empty: the base, where sentence-transformers saved it as an encoder,
    else the bundled encoder: a plain language model and a cross-encoder make no vectors that can be searched by."""
    query_prefix: str | None = None
    """This text is put before every query; null takes the prompt of `model` itself."""
    passage_prefix: str | None = None
    """This text is put before every passage; null takes the prompt of `model` itself."""
    max_tokens: int = 0
    """It reads so many tokens of a text; 0: as many as `model.max_tokens`."""
    pooling: Pooling = Pooling.auto
    """The way from the vectors of tokens to that of a text, as `model.pooling` is that of the base."""

    def __post_init__(self) -> None:
        """Refuses settings of an encoder that is not named."""
        if self.model:
            return
        for name in ("query_prefix", "passage_prefix", "max_tokens"):
            if getattr(self, name):
                what, remedy = "is set, and no model is named", f"set {RETRIEVER_KEY}.model, or leave it out"
                raise UserError(what, where=f"{RETRIEVER_KEY}.{name}={getattr(self, name)}", remedy=remedy)


@dataclass(frozen=True)
class NegativeSettings:
    """Which passages are mined as negatives, and by what."""

    num_hard_negatives: int = 0
    """Each query gets so many mined passages, which the retriever ranks high and which are of other documents; with 0
    none are mined."""
    hard_negative_first_rank: int = 1
    """Mining starts at this rank of the retriever; a larger one skips the likeliest unjudged answers."""
    hard_negative_last_rank: int = 50
    """Mining ends at this rank of the retriever."""
    hard_negative_margin: float = 0.95
    """A passage that scores more than this share of the query's own passage may be an answer and is not taken."""
    retriever: RetrieverConfig = field(default_factory=RetrieverConfig)
    """What searches for hard negatives, in later iterations the model so far; and for the candidates of a teacher."""

    def check_negatives(self, check: Callable[[str, bool, str], None]) -> None:
        """Refuses values that could only fail later.

        Args:
            check: refuses a setting by its name, where it is not allowed, and says what is.
        """
        check("num_hard_negatives", self.num_hard_negatives >= 0, "0 or more")
        check("hard_negative_margin", 0 < self.hard_negative_margin <= 1, "more than 0, and at most 1")
        is_range = 1 <= self.hard_negative_first_rank <= self.hard_negative_last_rank
        check("hard_negative_first_rank", is_range, "a rank from 1 to model.hard_negative_last_rank")

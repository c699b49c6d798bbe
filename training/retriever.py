"""Which encoder searches for a training: for hard negatives, and for the candidates of a teacher.

In: the model's config. Out: the settings of an encoder. It is the base, read as it is trained, where that was made for
search. A plain language model has no such vectors before it is trained, and a cross-encoder never; what they found
would be near by accident, so that another encoder searches for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from engine.models.resolve import resolve_model
from engine.search.encoder import EncoderConfig
from engine.search.pooling import Pooling, module_types
from engine.search.usage import model_type
from training.negative_settings import RETRIEVER_KEY, RetrieverConfig

BUNDLED = "bundled:all-minilm-l6-v2"
"""The encoder that searches where the base cannot and nothing else is named."""


class Searching(Protocol):
    """What is read of a model's config, which itself asks what searches for its identity."""

    @property
    def base(self) -> str:
        """Returns the model that is tuned."""

    @property
    def query_prefix(self) -> str | None:
        """Returns what is put before queries; None for the base's own prompt."""

    @property
    def passage_prefix(self) -> str | None:
        """Returns what is put before passages; None for the base's own prompt."""

    @property
    def max_tokens(self) -> int:
        """Returns how many tokens of a text are read."""

    @property
    def pooling(self) -> Pooling:
        """Returns the way from the vectors of tokens to that of a text."""

    @property
    def retriever(self) -> RetrieverConfig:
        """Returns what is to search."""


def retriever_of(config: Searching) -> EncoderConfig:
    """Returns the encoder that searches.

    Raises:
        UserError: there is no such base.
    """
    named = config.retriever
    if named.model:
        tokens, key = named.max_tokens or config.max_tokens, f"{RETRIEVER_KEY}.model"
        return EncoderConfig(
            named.model,
            named.query_prefix,
            named.passage_prefix,
            tokens,
            pooling=named.pooling,
            origins={"model": key},
        )
    base = EncoderConfig(
        config.base, config.query_prefix, config.passage_prefix, config.max_tokens, pooling=config.pooling
    )
    if is_encoder(resolve_model(config.base, key=base.key("model"))):
        return base
    return EncoderConfig(BUNDLED, None, None, config.max_tokens, origins={"model": f"{RETRIEVER_KEY}.model"})


def is_encoder(folder: Path) -> bool:
    """Tells whether sentence-transformers saved a folder as a text encoder."""
    return bool(module_types(folder)) and model_type(folder) != "CrossEncoder"

"""How a text encoder wants to be used: what goes before a text, how vectors are compared, how long a text may be.

In: a model's folder, or the model loaded. Out: plain values. The encoder, training and the configs ask the functions
here and no others, so that a model is trained, measured and saved in one way. The folder's files are read without any
library, because the configs ask on every start.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.models.resolve import resolve_model

_SETTINGS_FILE = "config_sentence_transformers.json"
PASSAGE_PROMPTS = ("document", "passage", "corpus")
"""The names of prompts for passages, in the order in which sentence-transformers looks for them. The first that is not
empty is taken, because saving a model with a prompt `passage` adds an empty `document` to it."""


class Similarity(Enum):
    """The way in which two vectors are compared."""

    cosine = "cosine"
    """The inner product of the vectors, each divided by its length."""
    dot = "dot"
    """The inner product of the vectors as they are: a longer one scores higher."""


@dataclass(frozen=True)
class Usage:
    """The prefixes that go before texts, and the way in which their vectors are compared."""

    query_prefix: str
    passage_prefix: str
    similarity: Similarity


def usage_of(name: str, query_prefix: str | None, passage_prefix: str | None, *, key: str) -> Usage:
    """Reads how a model wants to be used, and puts the configured prefixes in the place of its own.

    Args:
        name: `bundled:NAME`, a local folder or a hub id.
        query_prefix: the configured prefix; None takes the model's own, which is empty where it names none.
        passage_prefix: likewise.
        key: the config key that named the model, for messages.

    Raises:
        UserError: there is no such model, or it compares vectors in a way that no index here searches by.
    """
    settings = _settings(resolve_model(name, key=key), f"{key}={name}")
    prompts = settings.get("prompts") or {}
    return Usage(
        query_prefix=_first(prompts, ("query",)) if query_prefix is None else query_prefix,
        passage_prefix=_first(prompts, PASSAGE_PROMPTS) if passage_prefix is None else passage_prefix,
        similarity=_similarity(settings.get("similarity_fn_name"), f"{key}={name}"),
    )


def model_type(folder: Path) -> str:
    """Returns the class of sentence-transformers that saved a folder, such as `CrossEncoder`; "" where none did."""
    return str(_settings(folder, str(folder)).get("model_type", ""))


def length_limit(model: Any, max_tokens: int) -> int:
    """Returns how many tokens of a text a model reads: `max_tokens`, or fewer where the model itself has a lower limit.

    That is the least of its positions, of its tokenizer's limit and of the length that its folder names; the last two
    are one number once sentence-transformers has loaded it. RoBERTa and its kin count positions from after the padding
    token, so they read two tokens less than their table has rows.

    Args:
        model: a SentenceTransformer as it was loaded, its `max_seq_length` not changed yet.
        max_tokens: what the config allows.
    """
    return int(min([max_tokens, *(limit for limit in (_positions(model), model.max_seq_length) if limit)]))


def has_unit_vectors(model: Any) -> bool:
    """Tells whether a loaded SentenceTransformer ends in a module that divides each vector by its length."""
    return type(model[-1]).__name__ == "Normalize"


def _positions(model: Any) -> int | None:
    """Returns the longest input that a model has positions for; None where they are not limited."""
    for name, module in model.named_modules():
        if name.endswith(".position_embeddings") and (rows := getattr(module, "num_embeddings", 0)):
            padding_row = getattr(module, "padding_idx", None)
            return int(rows) - (0 if padding_row is None else int(padding_row) + 1)
    positions = getattr(getattr(model[0], "config", None), "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else None  # XLNet writes -1 for "any number"


def _settings(folder: Path, where: str) -> dict[str, Any]:
    """Reads what sentence-transformers wrote beside the weights; nothing for a model that it did not save."""
    file = folder / _SETTINGS_FILE
    if not file.is_file():
        return {}
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        what = f"{_SETTINGS_FILE} cannot be read ({error})"
        raise UserError(what, where=where, remedy="copy or download the model again") from error
    return settings if isinstance(settings, dict) else {}


def _first(prompts: dict[str, str | None], names: tuple[str, ...]) -> str:
    return next((prompt for name in names if (prompt := prompts.get(name))), "")


def _similarity(name: str | None, where: str) -> Similarity:
    names = [similarity.value for similarity in Similarity]
    if name is not None and name not in names:
        remedy = f"name a model that compares by {' or '.join(names)}"
        raise UserError(
            f"compares vectors by {name}, which cannot be searched or trained by", where=where, remedy=remedy
        )
    return Similarity(name or "cosine")

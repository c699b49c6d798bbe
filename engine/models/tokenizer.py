"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.models.resolve import resolve_model

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def tokenizer_file(name: str) -> Path:
    """Where the tokenizer of a model lies.

    Raises:
        UserError: there is no such model, or it has no fast tokenizer.
    """
    from engine.models.resolve import resolve_model

    file = resolve_model(name, key="documents.tokenizer") / "tokenizer.json"
    if not file.is_file():
        raise UserError(
            f"the model has no fast tokenizer ({file} is missing)",
            where=f"documents.tokenizer={name}",
            remedy="set documents.tokenizer to a model with a tokenizer.json, as bundled:all-minilm-l6-v2",
        )
    return file


def load_tokenizer(model: str) -> Tokenizer:
    """The fast tokenizer of a generator model; no torch is imported."""
    from tokenizers import Tokenizer

    file = resolve_model(model, key="samples.model") / "tokenizer.json"
    if not file.exists():
        raise UserError(
            f"the model folder has no {file.name}",
            where=f"samples.model={model}",
            remedy="use a model with a fast tokenizer, or save it with tokenizer.save_pretrained",
        )
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()  # some files carry both, and the counts would be of what is left
    tokenizer.no_padding()
    return tokenizer

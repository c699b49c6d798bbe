"""Loads the fast tokenizer of a model, which counts tokens without the model.

In: a model's name and the config key that named it. Out: its tokenizer.json, or the tokenizer that it describes. The
`tokenizers` library reads that file by itself, so neither torch nor transformers is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.models.resolve import resolve_model

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GENERATOR_KEY = "samples.model"
"""The key of the model whose own tokenizer must be used: prompts are counted as the engine will count them."""


def tokenizer_file(model: str, *, key: str) -> Path:
    """Finds the tokenizer.json of a model.

    Args:
        model: a name as `resolve_model` takes it.
        key: the config key that named it, for messages.

    Raises:
        UserError: there is no such model, or it has no fast tokenizer.
    """
    file = resolve_model(model, key=key) / "tokenizer.json"
    if file.is_file():
        return file
    if key == GENERATOR_KEY:
        what = f"the model folder has no {file.name}"
        remedy = "use a model with a fast tokenizer, or save it with tokenizer.save_pretrained"
    else:
        what = f"the model has no fast tokenizer ({file} is missing)"
        remedy = f"set {key} to a model with a tokenizer.json, as bundled:all-minilm-l6-v2"
    raise UserError(what, where=f"{key}={model}", remedy=remedy)


def load_tokenizer(model: str, *, key: str) -> Tokenizer:
    """Loads the fast tokenizer of a model, with truncation and padding switched off.

    Raises:
        UserError: as for `tokenizer_file`, or the file is damaged.
    """
    from tokenizers import Tokenizer

    file = tokenizer_file(model, key=key)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the Rust library raises bare Exception
        example = "bundled:smollm2-135m-instruct" if key == GENERATOR_KEY else "bundled:all-minilm-l6-v2"
        remedy = f"set {key} to another model, for example {example}"
        raise UserError(f"is no tokenizer ({error})", where=f"{key}: {file}", remedy=remedy) from error
    tokenizer.no_truncation()  # the file may switch both on, and then not all tokens would be counted
    tokenizer.no_padding()
    return tokenizer

"""Small model folders, and what a name that is refused says."""

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.models.resolve import resolve_model

ENCODER = "bundled:all-minilm-l6-v2"
LANGUAGE_MODEL = "bundled:smollm2-135m-instruct"


def write_tiny_model(folder: Path) -> Path:
    """A BERT of one layer without a tokenizer, as save_pretrained writes it."""
    from transformers import BertConfig, BertModel

    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=20, **shape)).save_pretrained(folder)
    return folder


def refusal(name: str, key: str = "model.base") -> UserError:
    """The error for a model's name: one line that starts with key and value."""
    with pytest.raises(UserError) as caught:
        resolve_model(name, key=key)
    assert caught.value.where == f"{key}={name}"
    assert "\n" not in str(caught.value)
    return caught.value

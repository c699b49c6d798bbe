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


def write_roberta(folder: Path, positions: int) -> Path:
    """A RoBERTa of one layer, whose table of positions has two rows that no text uses, with a tokenizer."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    words = Tokenizer(WordLevel({"<unk>": 0, "<pad>": 1, "word": 2}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", pad_token="<pad>").save_pretrained(folder)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    RobertaModel(RobertaConfig(vocab_size=3, max_position_embeddings=positions, **shape)).save_pretrained(folder)
    return folder


def refusal(name: str, key: str = "model.base") -> UserError:
    """The error for a model's name: one line that starts with key and value."""
    with pytest.raises(UserError) as caught:
        resolve_model(name, key=key)
    assert caught.value.where == f"{key}={name}"
    assert "\n" not in str(caught.value)
    return caught.value

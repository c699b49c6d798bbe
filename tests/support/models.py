"""Small model folders, what a name that is refused says, and log-probabilities by a plain forward pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.models.resolve import resolve_model
from tests.support.training import write_base

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


def write_tiny_llama(folder: Path) -> Path:
    """A Llama of two layers with random weights, large enough to prefer some tokens, and the bundled tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(resolve_model(LANGUAGE_MODEL, key="test"))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        initializer_range=0.15,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Reference:
    """A model of transformers in float32, which reads each text as a whole.

    Args:
        folder: of the model.
    """

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def logprobs(self, prompt: str, continuation: str) -> list[float]:
        """The log-probability of each token of a continuation, whose tokens are those that it has by itself."""
        before = self.tokenizer(prompt)["input_ids"]
        return self._of_tokens(before, self.tokenizer.encode(continuation, add_special_tokens=False))

    def prompt_logprobs(self, prompt: str) -> list[float]:
        """That of each token of a prompt but the first."""
        tokens = self.tokenizer(prompt)["input_ids"]
        return self._of_tokens(tokens[:1], tokens[1:])

    def _of_tokens(self, before: list[int], tokens: list[int]) -> list[float]:
        import torch

        with torch.inference_mode():
            logits = self._model(torch.tensor([before + tokens])).logits[0]
        predicted = torch.log_softmax(logits[len(before) - 1 : -1], -1)
        return predicted[range(len(tokens)), tokens].tolist()


def refusal(name: str, key: str = "model.base") -> UserError:
    """The error for a model's name: one line that starts with key and value."""
    with pytest.raises(UserError) as caught:
        resolve_model(name, key=key)
    assert caught.value.where == f"{key}={name}"
    assert "\n" not in str(caught.value)
    return caught.value


def write_cross_encoder(folder: Path, *, labels: int = 1) -> Path:
    """A random BERT of two small layers that scores pairs, with the tokenizer of `write_base`."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    base = write_base(folder / "base")
    shape = BertConfig.from_pretrained(base, num_labels=labels, initializer_range=0.3)
    torch.manual_seed(1)
    BertForSequenceClassification(shape).save_pretrained(folder / "cross")
    AutoTokenizer.from_pretrained(base).save_pretrained(folder / "cross")
    return folder / "cross"

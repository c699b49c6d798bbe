"""Tokenizers that need no model."""

from __future__ import annotations

from tokenizers import Tokenizer, models, pre_tokenizers


def byte_tokenizer() -> Tokenizer:
    """Every byte is a token, so that a character takes several and a space belongs to what follows."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: index for index, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer

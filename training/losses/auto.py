"""Decides whether all activations of a batch are held at once, or pieces of them (GradCache) where memory is short.

In: an encoder's shape, rows and tokens of a step, the memory that is free. Out: whether they fit, and so what the loss
`auto` stands for, `mnrl` or `cached_mnrl`; other losses are computed in pieces (`training.losses.pieces`). What
activations take is estimated before the first step, because on a CPU too much of it ends the process without a word.
"""

from __future__ import annotations

from typing import Any

import psutil

from training.losses.settings import Loss

_SHARE_FOR_ACTIVATIONS = 0.5
"""The share of the free memory for activations; the rest is for gradients, optimizer, and what the estimate misses."""


def choose_loss(configured: Loss, *, fits: bool) -> Loss:
    """Returns the configured loss; for `auto` the plain ranking loss where its activations fit, else the cached one."""
    if configured is not Loss.auto:
        return configured
    return Loss.mnrl if fits else Loss.cached_mnrl


def fits_into_memory(encoder: Any, *, rows: int, tokens: int, bf16: bool, processes: int) -> bool:
    """Tells whether the activations of a step can be held at once.

    Args:
        encoder: a transformers config; one that does not tell its shape is taken to fit.
        rows: the passages of a step in this process, negatives and candidates included.
        tokens: the length of the longest of them.
        bf16: whether the forward pass is in bf16.
        processes: how many training processes share this machine's memory, where there is no GPU.
    """
    free, on_gpu = free_bytes(processes)
    needed = activation_bytes(encoder, rows=rows, tokens=tokens, halved=bf16 and on_gpu)
    return needed <= _SHARE_FOR_ACTIVATIONS * free


def activation_bytes(encoder: Any, *, rows: int, tokens: int, halved: bool) -> int:
    """Estimates the bytes that the backward pass needs of a transformer's forward pass.

    Per layer and token they are 34 for each hidden dimension and 5 for each head and token attended to (Korthikanti et
    al. 2022), in half precision. In full precision it is twice that, and so it is for bf16 autocast on a CPU: 128 pairs
    of 192 tokens take MiniLM 7 GB, and took a trainer 5 GB more than 32 pairs.

    Args:
        encoder: a transformers config; one that does not tell its shape gives 0.
        rows: the number of texts.
        tokens: the tokens of each text.
        halved: whether activations are held in half precision.
    """
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads")
    layers, hidden, heads = (getattr(encoder, name, 0) for name in names)
    return rows * tokens * layers * (34 * hidden + 5 * heads * tokens) * (1 if halved else 2)


def free_bytes(processes: int) -> tuple[int, bool]:
    """Returns the bytes of free memory that one of so many processes may use, and whether they are a GPU's."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0], True
    return psutil.virtual_memory().available // processes, False

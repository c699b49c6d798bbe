"""Which loss a step's memory allows: all activations of a batch at once, or GradCache.

In: an encoder's shape, rows and tokens of a step, the memory that is free. Out: `mnrl` or `cached_mnrl`. What
activations take is estimated before the first step, because on a CPU too much of it ends the process without a word.
"""

from __future__ import annotations

from typing import Any

import psutil

from training.config import Loss

SHARE = 0.5
"""Of the free memory; the rest is for gradients, the optimizer, what else starts, and what the estimate misses."""


def choose_loss(wanted: Loss, encoder: Any, *, rows: int, tokens: int, bf16: bool, processes: int) -> Loss:
    """`wanted`, or for `auto` the plain ranking loss where its activations fit.

    Args:
        wanted: as configured.
        encoder: a transformers config; one that does not tell its shape is taken to fit.
        rows: passages of a step in this process, negatives included.
        tokens: of the longest of them.
        bf16: whether it is trained in bf16.
        processes: that share this machine's memory, where there is no GPU.
    """
    if wanted is not Loss.auto:
        return wanted
    free, on_gpu = free_bytes(processes)
    needed = activation_bytes(encoder, rows=rows, tokens=tokens, halved=bf16 and on_gpu)
    return Loss.mnrl if needed <= SHARE * free else Loss.cached_mnrl


def activation_bytes(encoder: Any, *, rows: int, tokens: int, halved: bool) -> int:
    """What backward needs of a transformer's forward pass over `rows` texts of `tokens`.

    Per layer and token 34 bytes for each hidden dimension and 5 for each head and token attended to (Korthikanti et al.
    2022), in half precision. In full precision it is twice that, and so it is for bf16 autocast on a CPU: 128 pairs of
    192 tokens take MiniLM 7 GB, and took a trainer 5 GB more than 32 pairs.
    """
    layers, hidden, heads = (
        getattr(encoder, name, 0) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads")
    )
    return rows * tokens * layers * (34 * hidden + 5 * heads * tokens) * (1 if halved else 2)


def free_bytes(processes: int) -> tuple[int, bool]:
    """Free memory for this process, and whether that is a GPU's."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0], True
    return psutil.virtual_memory().available // processes, False

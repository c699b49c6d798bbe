"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import functools
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def has_fast_bf16() -> bool:
    """Whether this machine multiplies bfloat16 natively: a GPU from Ampere on, a CPU with AVX512-bf16 or AMX."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool({"avx512_bf16", "amx_bf16"} & _cpu_flags())


@functools.cache
def _cpu_flags() -> frozenset[str]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


class Precision(Enum):
    """Arithmetic of the forward pass; weights and optimizer are fp32 always."""

    auto = "auto"
    """bf16 autocast on CUDA GPUs with bf16 and on CPUs with avx512_bf16 or amx_bf16, else fp32."""
    bf16 = "bf16"
    fp32 = "fp32"


def uses_bf16(precision: Precision) -> bool:
    """Whether to autocast, on this machine."""
    import torch

    if precision is not Precision.auto:
        return precision is Precision.bf16
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return cpu_has_bf16()


def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bf16 natively; without it autocast is slower than fp32."""
    try:
        text = cpuinfo.read_text(encoding="utf-8")
    except FileNotFoundError:  # not Linux
        return False
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)

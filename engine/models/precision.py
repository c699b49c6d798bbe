"""Decides in which precision a model computes on this machine, for the encoder and for training alike.

In: what the config says, and the device that will compute. Out: bf16 or not. `auto` means bf16 where the hardware
multiplies it natively. torch's own test is not used for this: by default it also counts GPUs that emulate bf16, where
it is slower than fp32.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Literal

Device = Literal["cpu", "cuda"]

_NATIVE_FROM_CAPABILITY = (8, 0)
"""The first compute capability with bf16 (NVIDIA Ampere)."""
_NATIVE_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""The names that Linux has for it: two on x86-64, the last one on aarch64."""
_HEADS_OF_FLAGS = ("flags", "Features")
"""What the line of flags begins with: on x86-64, on aarch64."""


class Precision(Enum):
    """The arithmetic of a model's forward pass."""

    auto = "auto"
    """Stands for bf16 on GPUs of compute capability 8.0 or more and on CPUs with avx512_bf16, amx_bf16 or (aarch64)
    bf16, else for fp32."""
    bf16 = "bf16"
    """bfloat16, on any device, however slow."""
    fp32 = "fp32"
    """Single precision."""


PRECISIONS = tuple(precision.value for precision in Precision)
"""What a config may say."""


def uses_bf16(precision: Precision, device: Device) -> bool:
    """Returns whether a model computes in bf16.

    Args:
        precision: as configured.
        device: where it computes; of several GPUs the current one counts.
    """
    if precision is Precision.auto:
        return has_fast_bf16(device)
    return precision is Precision.bf16


def has_fast_bf16(device: Device) -> bool:
    """Returns whether the device multiplies bf16 natively; where it does not, bf16 is slower than fp32."""
    if device == "cpu":
        return not _NATIVE_CPU_FLAGS.isdisjoint(cpu_flags())
    import torch

    return torch.cuda.get_device_capability() >= _NATIVE_FROM_CAPABILITY


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Returns the features of the first core as Linux lists them; none on systems without that file.

    Args:
        cpuinfo: the file that Linux describes its cores in.
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8")
    except FileNotFoundError:
        return frozenset()
    _, _, flags = next((line for line in text.splitlines() if line.startswith(_HEADS_OF_FLAGS)), "").partition(":")
    return frozenset(flags.split())

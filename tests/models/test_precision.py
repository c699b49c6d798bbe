"""Precision: bf16 where the hardware multiplies it, the same answer for the encoder and for training."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.models.precision import Device, Precision, cpu_flags, has_fast_bf16, uses_bf16


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16\n\nprocessor\t: 1\n", {"fpu", "avx512f", "avx512_bf16"}),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\nCPU part\t: 0xd40\n\n", {"fp", "asimd", "bf16"}),
        ("processor\t: 0\n", set()),
    ],
)
def test_the_flags_of_the_first_core_are_read(tmp_path: Path, text: str, flags: set[str]) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert cpu_flags(file) == flags


def test_a_system_without_cpuinfo_has_no_flags(tmp_path: Path) -> None:
    assert cpu_flags(tmp_path / "none") == frozenset()


@pytest.mark.parametrize(
    ("flags", "fast"),
    [({"avx512_bf16"}, True), ({"fpu", "amx_bf16"}, True), ({"fp", "bf16"}, True), ({"avx512f", "amx_int8"}, False)],
)
def test_a_cpu_is_fast_by_its_flags(monkeypatch: pytest.MonkeyPatch, flags: set[str], fast: bool) -> None:
    monkeypatch.setattr("engine.models.precision.cpu_flags", lambda: frozenset(flags))
    assert has_fast_bf16("cpu") is fast
    assert uses_bf16(Precision.auto, "cpu") is fast


@pytest.mark.parametrize(("capability", "fast"), [((7, 0), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_is_fast_by_its_capability_even_where_it_emulates(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], fast: bool
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: capability)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: True)
    assert has_fast_bf16("cuda") is fast
    assert uses_bf16(Precision.auto, "cuda") is fast


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_precision_that_is_set_is_taken_on_any_device(device: Device) -> None:
    assert uses_bf16(Precision.bf16, device)
    assert not uses_bf16(Precision.fp32, device)

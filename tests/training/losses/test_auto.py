"""The estimate of a step's activations against figures that were measured, and what follows from it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from training.losses.auto import activation_bytes, choose_loss, fits_into_memory, free_bytes
from training.losses.settings import Loss

MINILM = SimpleNamespace(num_hidden_layers=6, hidden_size=384, num_attention_heads=12)
BERT_BASE = SimpleNamespace(num_hidden_layers=12, hidden_size=768, num_attention_heads=12)


def choose(encoder: object, configured: Loss = Loss.auto, rows: int = 128, bf16: bool = True) -> Loss:
    fits = fits_into_memory(encoder, rows=rows, tokens=192, bf16=bf16, processes=1)
    return choose_loss(configured, fits=fits)


def test_the_estimate_is_near_what_was_measured() -> None:
    """On a CPU MiniLM with 128 pairs took 5 GB more than with 32."""
    more = activation_bytes(MINILM, rows=96, tokens=192, halved=False)
    assert 4.5e9 < more < 6e9


@pytest.mark.parametrize(
    ("encoder", "free", "chosen"),
    [
        (MINILM, 20e9, Loss.mnrl),
        (MINILM, 12e9, Loss.cached_mnrl),
        (BERT_BASE, 20e9, Loss.cached_mnrl),
        (BERT_BASE, 80e9, Loss.mnrl),
        (SimpleNamespace(), 1e9, Loss.mnrl),
    ],
)
def test_the_plain_loss_is_taken_where_it_fits(
    monkeypatch: pytest.MonkeyPatch, encoder: object, free: float, chosen: Loss
) -> None:
    monkeypatch.setattr("training.losses.auto.free_bytes", lambda _: (int(free), False))
    assert choose(encoder) is chosen


def test_processes_share_the_memory_of_their_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=12_000))
    assert free_bytes(1) == (12_000, False)
    assert free_bytes(3) == (4_000, False)


def test_half_precision_takes_half_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.losses.auto.free_bytes", lambda _: (int(10e9), True))
    assert choose(MINILM) is Loss.mnrl
    assert choose(MINILM, bf16=False) is Loss.cached_mnrl


@pytest.mark.parametrize("configured", [Loss.mnrl, Loss.cached_mnrl])
def test_a_loss_that_is_set_is_taken(monkeypatch: pytest.MonkeyPatch, configured: Loss) -> None:
    monkeypatch.setattr("training.losses.auto.free_bytes", lambda _: (0, False))
    assert choose(BERT_BASE, configured) is configured

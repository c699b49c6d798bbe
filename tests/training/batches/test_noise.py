"""Noise leaves words out, the same ones whoever trains and whenever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.training import WORDS, make_config
from training.batches.noise import Noise, noise_of
from training.losses.settings import Loss

TEXT = " ".join(WORDS)
NOISE = Noise(0.6, seed=3)


def damage(texts: list[str], rows: list[int], steps: list[int], noise: Noise = NOISE) -> list[str]:
    return noise.damage(texts, np.array(rows), np.array(steps))


def test_a_share_of_the_words_is_left_out_and_the_rest_keeps_its_order() -> None:
    [left] = damage([TEXT], [0], [0])
    kept = left.split()
    assert 0.3 * len(WORDS) < len(kept) < 0.5 * len(WORDS)
    assert kept == [word for word in WORDS if word in set(kept)]


def test_what_is_left_out_follows_from_seed_row_and_step_alone() -> None:
    both = damage([TEXT, TEXT], [4, 9], [2, 2])
    assert both[0] != both[1]
    assert damage([TEXT], [9], [2]) == both[1:], "another rank has other rows beside it"
    assert damage([TEXT], [9], [3]) != both[1:]
    assert damage([TEXT], [9], [2], Noise(0.6, seed=4)) != both[1:]
    assert damage([TEXT], [2], [9]) != both[1:]


@pytest.mark.parametrize("text", ["bees", "bees hives", "蜜蜂", ""])
def test_something_is_left_of_every_text(text: str) -> None:
    for row in range(20):
        [left] = damage([text], [row], [0], Noise(0.99, seed=0))
        assert bool(left) is bool(text)
        assert all(character in text for character in left)


def test_letters_of_a_script_without_spaces_are_words() -> None:
    text = "蜜蜂は花の蜜を集めて巣に持ち帰ります" * 5
    [left] = damage([text], [0], [0])
    assert 0.25 * len(text) < len(left) < 0.55 * len(text)


def test_only_the_denoising_loss_has_noise(base: Path) -> None:
    assert noise_of(make_config(base, loss=Loss.denoising, noise=0.3, seed=5)) == Noise(0.3, 5)
    assert noise_of(make_config(base, noise=0.3)) is None

"""Damages texts for the denoising auto-encoder: a share of their words is left out.

In: texts, each with the number of its row and of the step. Out: what is left of them. Which words are left out follows
from the seed, the row and the step alone, so that a training which goes on from a checkpoint, or with another number of
workers, sees the same texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.text.hashes import Hashes, Integers, mix, uniform
from training.config import ModelConfig
from training.losses.settings import Loss

_STREAM = 0x6E6F6973
"""A number that keeps these draws independent of others from the run's seed."""
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts without spaces between words, where a letter is left out in place of a word."""
_PIECE = re.compile(rf"(?:[{_UNSPACED}]|[^\s{_UNSPACED}]+)\s*")


@dataclass(frozen=True)
class Noise:
    """How texts are damaged.

    Attributes:
        share: the share of words that are left out.
        seed: the seed of the draws.
    """

    share: float
    seed: int

    def damage(self, texts: Sequence[str], rows: Integers, steps: Integers) -> list[str]:
        """Leaves words out of texts, at least one of which stays in each.

        Args:
            texts: the texts, (n,).
            rows: the number of each text's row, (n,).
            steps: the number of the step that each text is for, (n,).
        """
        keys = mix(mix(rows.astype(np.uint64), self.seed, _STREAM), self.seed, _STREAM, steps)
        return [self._damaged(text, key) for text, key in zip(texts, keys, strict=True)]

    def _damaged(self, text: str, key: np.uint64) -> str:
        pieces = _PIECE.findall(text)
        draws = uniform(self._draws(key, len(pieces)))
        stays = draws >= self.share
        if len(pieces) and not stays.any():
            stays[np.argmax(draws)] = True
        return "".join(piece for piece, kept in zip(pieces, stays, strict=True) if kept).rstrip()

    def _draws(self, key: np.uint64, count: int) -> Hashes:
        return mix(np.full(count, key, np.uint64), self.seed, _STREAM, np.arange(count))


def noise_of(config: ModelConfig) -> Noise | None:
    """Returns the noise of a training whose loss is decided; None where texts are read as they are."""
    return Noise(config.noise, config.seed) if config.loss is Loss.denoising else None

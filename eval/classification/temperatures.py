"""Divides the scores of held-out texts by temperatures that these texts took no part in finding.

In: scores and labels of texts that the model's own temperature was found on. Out: two temperatures, and which of them
each text's scores are divided by: each half of the documents has the one that the other half gives. A temperature is
one number and is nearly the same for both, so that the figures are those of the model and flatter it no longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.models.temperature import fit_temperature
from engine.text.hashes import mix, text_hashes
from eval.classification.calibration import Flags
from eval.retrieval.metrics import Floats

FEWEST = 20
"""A half with fewer texts tells no temperature."""
_STREAM = 0x74656D70
"""Keeps the halves independent of other draws by the ids of documents."""


@dataclass(frozen=True, eq=False)
class Crossfitted:
    """The temperatures of two halves.

    Attributes:
        temperatures: what the scores of each half are divided by.
        half_of: 0 or 1 for each text.
    """

    temperatures: tuple[float, float]
    half_of: NDArray[np.int64]

    def by_text(self) -> Floats:
        """Returns what the scores of each text are divided by, (texts, 1)."""
        return np.array(self.temperatures)[self.half_of][:, None]


def crossfit(scores: Floats, truth: Flags, documents: Sequence[str], *, several: bool) -> Crossfitted | None:
    """Finds the temperature of each half on the other one; None where a half has too few texts.

    Args:
        scores: of the labels that the model knows, (texts, labels).
        truth: which of these each text has, of the same shape; a text that has another one says nothing.
        documents: the document of each text, all of whose texts are in one half.
        several: whether a text may have several labels.
    """
    half_of = (mix(text_hashes(documents), 0, _STREAM) & np.uint64(1)).astype(np.int64)
    tells = np.ones(len(truth), np.bool_) if several else truth.sum(axis=1) == 1
    others = [tells & (half_of != half) for half in (0, 1)]
    if min(int(rows.sum()) for rows in others) < FEWEST:
        return None
    first, second = (fit_temperature(scores[rows], truth[rows], several=several) for rows in others)
    return Crossfitted((first, second), half_of)

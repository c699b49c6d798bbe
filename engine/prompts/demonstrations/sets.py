"""Which demonstrations a prompt shows: sets drawn from the pool at random, spread out, or nearest to the passage.

In: a pool, the values of the condition that demonstrations are chosen by, and, where likeness counts, an encoder.
Out: ordered sets, and for `nearest` the set of every passage. A set lists its demonstrations in one order, so prompts
that show the same ones share their first tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.prompts.demonstrations.config import DemonstrationsConfig, Selection
from engine.task.render import Demonstration

if TYPE_CHECKING:
    from engine.runtime.place import Place


Integers = npt.NDArray[np.int64]


Vectors = npt.NDArray[np.float32]


_PASSAGES_AT_ONCE = 65_536


@dataclass(frozen=True)
class ShownSets:
    """The sets of a plan."""

    members: list[list[int]]
    """For every set the rows of the pool that it shows, in order."""
    of_passage: Integers | None = None
    """(values, passages) the set of a passage for a value; None where sets are drawn by hash."""

    def of(self, pool: Sequence[Demonstration]) -> list[list[Demonstration]]:
        """The sets themselves."""
        return [[pool[row] for row in rows] for rows in self.members]

    def ids(self) -> list[str]:
        """What is stored on a row: the rows of demonstration_pool.parquet, as "4 17 2"."""
        return [" ".join(map(str, rows)) for rows in self.members]


def choose_sets(
    config: DemonstrationsConfig,
    pool: Sequence[Demonstration],
    strata: Sequence[Sequence[int]],
    documents: Path,
    place: Place,
) -> ShownSets:
    """Chooses sets as `demonstrations.select` says.

    Args:
        config: how many sets, of how many demonstrations.
        pool: all demonstrations.
        strata: rows of the pool for each value of the condition that chooses, or one list of all rows.
        documents: the folder of the documents step, read for `nearest` only.
        place: where embeddings are cached.
    """
    if config.select is Selection.random:
        return ShownSets(random_sets(config, strata))
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import Encoder

    vectors = Encoder(config.encoder, num_threads=place.num_cpus).encode_passages([d.document for d in pool])
    if config.select is Selection.diverse:
        return ShownSets(diverse_sets(config, strata, vectors))
    return nearest_sets(config, strata, vectors, encode_passages_cached(config.encoder, documents, place).vectors)


def random_sets(config: DemonstrationsConfig, strata: Sequence[Sequence[int]]) -> list[list[int]]:
    """`num_sets` ordered random sets of each stratum; seeded. More sets begin with the same ones.

    Sets are dealt from one shuffle of the stratum after the other, so that of two demonstrations none is shown by more
    than one set more than the other. Of a set, the one that was last least often comes last: a model leans most on what
    it has read last (Zhao et al. 2021, "Calibrate Before Use").
    """
    return [
        [rows[row] for row in dealt]
        for index, rows in enumerate(strata)
        for dealt in _deal(config, len(rows), np.random.default_rng([config.seed, index]))
    ]


def _deal(config: DemonstrationsConfig, num_rows: int, generator: np.random.Generator) -> Iterator[list[int]]:
    deck: list[int] = []
    times_last = [0] * num_rows
    for _ in range(config.num_sets):
        size = min(_size(config, generator), num_rows)
        hand, deck = deck[:size], deck[size:]
        if len(hand) < size:
            shuffled = generator.permutation(num_rows).tolist()
            fresh = [row for row in shuffled if row not in hand][: size - len(hand)]
            hand, deck = hand + fresh, [row for row in shuffled if row not in fresh]
        last = min(hand, key=times_last.__getitem__)
        times_last[last] += 1
        yield [row for row in hand if row != last] + [last]


def diverse_sets(config: DemonstrationsConfig, strata: Sequence[Sequence[int]], vectors: Vectors) -> list[list[int]]:
    """Sets that begin at a random demonstration and go on with the one farthest from all chosen (Gonzalez 1985).

    Args:
        config: how many.
        strata: rows of the pool for each value.
        vectors: (pool, dim), L2-normalised.
    """
    sets = []
    for index, rows in enumerate(strata):
        own = vectors[list(rows)]
        for number in range(config.num_sets):
            generator = np.random.default_rng([config.seed, index, number])
            chosen = [int(generator.integers(len(rows)))]
            likeness = own @ own[chosen[0]]
            for _ in range(min(_size(config, generator), len(rows)) - 1):
                likeness[chosen] = np.inf
                chosen.append(int(np.argmin(likeness)))
                likeness = np.maximum(likeness, own @ own[chosen[-1]])
            sets.append([rows[row] for row in chosen])
    return sets


def nearest_sets(
    config: DemonstrationsConfig, strata: Sequence[Sequence[int]], vectors: Vectors, passages: Vectors
) -> ShownSets:
    """The demonstrations whose documents are nearest to each passage, in the order of the pool.

    Passages with the same nearest demonstrations share a set, so there are at most as many sets as passages.

    Args:
        config: how many a set shows.
        strata: rows of the pool for each value.
        vectors: (pool, dim), L2-normalised.
        passages: (passages, dim), L2-normalised.
    """
    members: list[list[int]] = []
    of_passage = np.zeros((len(strata), len(passages)), np.int64)
    for index, rows in enumerate(strata):
        own, size = vectors[list(rows)], min(config.per_prompt, len(rows))
        nearest = np.zeros((len(passages), size), np.int64)
        for start in range(0, len(passages), _PASSAGES_AT_ONCE):
            likeness = passages[start : start + _PASSAGES_AT_ONCE] @ own.T
            best = np.argsort(-likeness, axis=1, kind="stable")[:, :size]
            nearest[start : start + _PASSAGES_AT_ONCE] = np.sort(best, axis=1)
        distinct, of = np.unique(nearest, axis=0, return_inverse=True)
        of_passage[index] = of.reshape(-1) + len(members)
        members += [[rows[row] for row in chosen] for chosen in distinct.tolist()]
    return ShownSets(members, of_passage)


def _size(config: DemonstrationsConfig, generator: np.random.Generator) -> int:
    """How many a set shows: `per_prompt`, or a number drawn from `min_per_prompt` on."""
    low = config.min_per_prompt or config.per_prompt
    return config.per_prompt if low == config.per_prompt else int(generator.integers(low, config.per_prompt + 1))

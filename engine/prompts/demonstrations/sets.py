"""Makes demonstration sets, of which a prompt shows one: random, spread out, or nearest to the passage.

In: a pool, the values of the condition that demonstrations are chosen by, and, where likeness counts, an encoder.
Out: ordered sets, and for `nearest` the set of every passage. A set lists its demonstrations in one order, so prompts
that show the same set share their first tokens, and an engine computes those once. The number of sets trades that speed
against variety.
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
from engine.text.hashes import Integers

if TYPE_CHECKING:
    from engine.runtime.place import Place

Vectors = npt.NDArray[np.float32]
"""Embeddings, one per row."""

_PASSAGES_AT_ONCE = 65_536
"""The number of passages whose likeness to all demonstrations is in memory at a time."""


@dataclass(frozen=True)
class ShownSets:
    """The demonstration sets of a plan."""

    members: list[list[int]]
    """The rows of the pool that each set shows, in order."""
    of_passage: Integers | None = None
    """The set of each passage for each value, (values, passages); None where sets are drawn by hash."""

    def of(self, pool: Sequence[Demonstration]) -> list[list[Demonstration]]:
        """Returns the sets as demonstrations.

        Args:
            pool: the pool whose rows `members` names.
        """
        return [[pool[row] for row in rows] for rows in self.members]

    def ids(self) -> list[str]:
        """The text that a planned row stores of each set: rows of demonstration_pool.parquet, as in "4 17 2"."""
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
        strata: rows of the pool for each value of the condition that demonstrations are chosen by, or one list of all.
        documents: the folder of the documents step, read for `nearest` only.
        place: where embeddings are cached.
    """
    if config.select is Selection.random:
        return ShownSets(random_sets(config, strata))
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import load_encoder

    encoded = load_encoder(config.encoder, place).encode_passages([d.document for d in pool])
    # Likeness is a cosine, also by an encoder whose vectors differ in length; zeros stay zeros.
    vectors = encoded / np.maximum(np.linalg.norm(encoded, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    if config.select is Selection.diverse:
        return ShownSets(diverse_sets(config, strata, vectors))
    return nearest_sets(config, strata, vectors, encode_passages_cached(config.encoder, documents, place).vectors)


def random_sets(config: DemonstrationsConfig, strata: Sequence[Sequence[int]]) -> list[list[int]]:
    """Deals `num_sets` ordered random sets of each stratum; a larger number only adds sets.

    Sets are dealt from one shuffle of the stratum after the other, so that the numbers of sets which show two
    demonstrations differ by 1 at most. The demonstration of a set that stood last in the fewest sets comes last: a
    model leans most on what it has read last (Zhao et al. 2021, "Calibrate Before Use").

    Args:
        config: how many, and the seed.
        strata: rows of the pool for each value.

    Returns:
        Rows of the pool for each set, by stratum.
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
        yield [*(row for row in hand if row != last), last]


def diverse_sets(config: DemonstrationsConfig, strata: Sequence[Sequence[int]], vectors: Vectors) -> list[list[int]]:
    """Makes sets that are spread out over the pool, by farthest-first traversal (Gonzalez 1985).

    A set begins at a random demonstration and goes on with the one that is farthest from all chosen before.

    Args:
        config: how many, and the seed.
        strata: rows of the pool for each value.
        vectors: (pool, dim), L2-normalised.

    Returns:
        Rows of the pool for each set, by stratum.
    """
    sets = []
    for index, rows in enumerate(strata):
        candidates = vectors[list(rows)]
        for number in range(config.num_sets):
            generator = np.random.default_rng([config.seed, index, number])
            chosen = [int(generator.integers(len(rows)))]
            likeness = candidates @ candidates[chosen[0]]
            for _ in range(min(_size(config, generator), len(rows)) - 1):
                likeness[chosen] = np.inf
                chosen.append(int(np.argmin(likeness)))
                likeness = np.maximum(likeness, candidates @ candidates[chosen[-1]])
            sets.append([rows[row] for row in chosen])
    return sets


def nearest_sets(
    config: DemonstrationsConfig, strata: Sequence[Sequence[int]], vectors: Vectors, passages: Vectors
) -> ShownSets:
    """Finds the demonstrations whose documents are nearest to each passage, in the order of the pool.

    Passages with the same nearest demonstrations share a set, so there are at most as many sets as passages.

    Args:
        config: how many a set shows.
        strata: rows of the pool for each value.
        vectors: (pool, dim), L2-normalised.
        passages: (passages, dim); their lengths do not matter.
    """
    members: list[list[int]] = []
    of_passage = np.zeros((len(strata), len(passages)), np.int64)
    for index, rows in enumerate(strata):
        candidates, size = vectors[list(rows)], min(config.per_prompt, len(rows))
        nearest = np.zeros((len(passages), size), np.int64)
        for start in range(0, len(passages), _PASSAGES_AT_ONCE):
            likeness = passages[start : start + _PASSAGES_AT_ONCE] @ candidates.T
            best = np.argsort(-likeness, axis=1, kind="stable")[:, :size]
            nearest[start : start + _PASSAGES_AT_ONCE] = np.sort(best, axis=1)
        distinct, set_of = np.unique(nearest, axis=0, return_inverse=True)
        of_passage[index] = set_of.reshape(-1) + len(members)
        members += [[rows[row] for row in chosen] for chosen in distinct.tolist()]
    return ShownSets(members, of_passage)


def _size(config: DemonstrationsConfig, generator: np.random.Generator) -> int:
    """Says how many demonstrations a set shows: `per_prompt`, or a number drawn from `min_per_prompt` on."""
    low = config.min_per_prompt or config.per_prompt
    return config.per_prompt if low == config.per_prompt else int(generator.integers(low, config.per_prompt + 1))

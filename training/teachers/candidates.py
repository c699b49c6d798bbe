"""Chooses the candidates of queries from what search found: the own passage, the top of the ranking, and deeper ranks.

In: rankings of distinct texts, and which of them may be taken. Out: for each query its own text first, then others with
the scores of the search. Nothing of held-out documents is taken, nor a text that the query's own document holds, since
another passage of it may be an answer as well. The deeper ones are drawn by hashes of sample ids, so that neither the
order of queries nor how many are chosen for at a time changes a draw. A text that search did not find is drawn only
where it found too few; it scores 0, as every passage that a ranking lacks does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import UserError
from engine.search.equal_texts import EqualTexts
from engine.search.order import Ranking, Rows
from engine.text.hashes import Floats, Hashes, mix, uniform
from training.teachers.config import KEY
from training.teachers.settings import CandidatesConfig

_DEEPER, _FILLING = 0x74656163, 0x74656166
"""The streams of the draws, which are independent of each other and of other draws from the run's seed."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The queries that candidates are chosen for."""

    texts: Rows
    """The number of each query's own text, (n,)."""
    documents: Rows
    """The number of its document, (n,)."""
    keys: Hashes
    """What its draws belong to, (n,)."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """The candidates of n queries, k each."""

    texts: Rows
    """Numbers of texts, the own one first, (n, k)."""
    scores: Floats
    """By the search; 0 for what it did not find, (n, k)."""
    drawn: int
    """The number of texts that search did not find."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The texts that candidates are taken from."""

    texts: EqualTexts
    is_free: NDArray[np.bool_]
    """Whether a text may be a candidate of a query that was not written from it, (texts,)."""

    def fewest_others(self) -> int:
        """Returns how many texts may be taken for a query whose document holds the most of them.

        Raises:
            UserError: there are none.
        """
        numbers, holders = np.divmod(self.texts.holdings, self.texts.num_documents)
        held = np.bincount(holders[self.is_free[numbers]], minlength=self.texts.num_documents)
        fewest = int(self.is_free.sum() - held.max())
        if fewest:
            return fewest
        what = "no other text is left for some document beside its own and those of held-out ones"
        raise UserError(what, where=f"{KEY}.by", remedy="set it to none, give more documents, or hold fewer out")


def choose_candidates(config: CandidatesConfig, pool: Pool, asked: Asked, found: Ranking) -> Chosen:
    """Chooses the candidates of some queries.

    Args:
        config: how many, of which ranks; no more than `Pool.fewest_others`.
        pool: what may be taken.
        asked: the queries.
        found: numbers of texts and scores, best first, (n, depth); -1 where there are fewer.
    """
    ranked, scores = found[0], np.where(found[0] >= 0, found[1], 0.0).astype(np.float64)
    own = np.where(ranked == asked.texts[:, None], scores, 0.0).sum(axis=1)
    allowed = (ranked >= 0) & pool.is_free[ranked] & ~pool.texts.are_in(ranked, asked.documents[:, None])
    order = np.argsort(~allowed, axis=1, kind="stable")
    ranked = np.take_along_axis(np.where(allowed, ranked, -1), order, 1)
    scores = np.take_along_axis(np.where(allowed, scores, 0.0), order, 1)
    places = _places(config, ranked, asked.keys)
    chosen, counted = np.take_along_axis(ranked, places, 1), np.take_along_axis(scores, places, 1)
    missing = config.others - chosen.shape[1]
    chosen = np.pad(chosen, ((0, 0), (0, missing)), constant_values=-1)
    counted = np.pad(counted, ((0, 0), (0, missing)))
    drawn = int((chosen < 0).sum())
    if drawn:
        _fill(chosen, pool, asked, config.seed)
    texts = np.concatenate([asked.texts[:, None], chosen], axis=1)
    return Chosen(texts, np.concatenate([own[:, None], counted], axis=1), drawn)


def _places(config: CandidatesConfig, ranked: Rows, keys: Hashes) -> Rows:
    """Returns the places in a ranking that are taken, (n, at most `config.others`): the top, then draws of deeper ones.

    Where too few texts were found at these ranks, the best of the others that were found follow.
    """
    depth = ranked.shape[1]
    places = np.arange(depth)
    draws = uniform(mix(keys[:, None], config.seed, _DEEPER, places[None, :]))
    is_deeper = (places >= config.first_rank - 1) & (places < config.last_rank)
    urgency = np.where(is_deeper[None, :], 1 + draws, 2.0 + places / max(depth, 1))
    urgency = np.where(ranked >= 0, urgency, 4.0)
    urgency[:, : config.top] = np.arange(min(config.top, depth)) / max(depth, 1)
    return np.asarray(np.argsort(urgency, axis=1, kind="stable")[:, : config.others].astype(np.int64))


def _fill(chosen: Rows, pool: Pool, asked: Asked, seed: int) -> None:
    """Puts random texts in the place of -1: none that the query's document holds, and none twice for a query."""
    free, width = np.flatnonzero(pool.is_free), chosen.shape[1]
    for column in range(width):
        rows, attempt = np.flatnonzero(chosen[:, column] < 0), 0
        while len(rows):
            draws = uniform(mix(asked.keys[rows], seed, _FILLING, attempt * width + column))
            drawn = free[(draws * len(free)).astype(np.int64)]
            is_taken = (chosen[rows] == drawn[:, None]).any(axis=1) | pool.texts.are_in(drawn, asked.documents[rows])
            chosen[rows[~is_taken], column] = drawn[~is_taken]
            rows, attempt = rows[is_taken], attempt + 1

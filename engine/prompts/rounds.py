"""Plans rounds after the first: what the next round asks for, given what was kept of the earlier ones.

In: the plan so far and how its samples were curated. Out: the rows of a plan that begins with the plan so far, row for
row, and goes on with a round in which

- values of a condition are drawn in proportion to what their share of the kept examples still lacks, divided by how
  often a sample with the value was kept, so that the *kept* examples approach the shares that the task asks for;
- passages that their queries failed to find come first, then those with the fewest samples; a passage gets at most
  `extra_per_passage` samples beyond its even share, since bad queries fail too.

Everything read here is a finished folder, so a round is as repeatable as the first one. Samples of earlier rounds are
not generated again: the samples step takes them over by their row fingerprints.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder
from engine.prompts.basis import PlanBasis
from engine.prompts.config import RoundConfig
from engine.prompts.plan import EarlierPlan, Planning, PlanSize, plan_more
from engine.prompts.planner import PlanInputs
from engine.task.config import AttributeConfig
from engine.task.shares import target_shares
from engine.text.hashes import Integers, text_hashes

_LEAST_SURVIVAL = 0.02
"""Lower bound on the share of a value's samples that is taken to be kept: it bounds how much more often a value is
drawn that was never kept."""
_LEAST_SHARE = 0.1
"""Part of its target share that every value is drawn with at least, even when none of it is lacking."""


def reweighted(
    basis: PlanBasis, examples: ExamplesFolder, number: int
) -> tuple[PlanBasis, dict[str, dict[str, float]]]:
    """Weighs the values of conditions anew, by what was kept.

    Args:
        basis: of the rounds so far.
        examples: what came of them.
        number: of the next round, from 2.

    Returns:
        The basis of the next round, and for each condition with target shares: value -> weight, adding up to 1.
    """
    weights = {
        name: next_weights(shares, *examples.values(name), number)
        for name, attribute in basis.task.attributes.items()
        if (shares := target_shares(attribute))
    }
    drawn = replace(basis.task, attributes=_with_weights(basis.task.attributes, weights))
    return replace(basis, drawn=drawn), weights


def next_rows(
    config: RoundConfig, earlier: PromptsFolder, examples: ExamplesFolder, inputs: PlanInputs
) -> tuple[Iterator[pa.Table], int]:
    """Plans one more round.

    Args:
        config: which round.
        earlier: the plan so far; it is read file by file.
        examples: what came of its samples.
        inputs: what the new rows are drawn from.

    Returns:
        All rows of the longer plan, chunk by chunk, and how many it has where no quota ends it.
    """
    prompts = config.prompts
    counted = EarlierPlan(inputs.passage_ids)
    for rows in earlier.stream():
        inputs.drawer.count_earlier(rows)
        counted.add(rows, inputs.drawer.conditions.names)
    size = PlanSize(prompts.per_passage, prompts.max_samples, prompts.seed, prompts.rounds)
    expected = size.total(len(inputs.passage_ids), config.number)
    coverage = Coverage(inputs.passage_ids, counted.samples_of, _lost(examples))
    chosen = coverage.choose(expected - counted.rows, prompts.extra_per_passage)
    planning = Planning(inputs.drawer, inputs.sets, inputs.lengths, prompts.seed)
    more = plan_more(counted, inputs.passage_ids, chosen, config.number - 1, planning)
    return itertools.chain(earlier.stream(), more), expected


def next_weights(
    shares: Mapping[str, float], kept: Mapping[str, int], rejected: Mapping[str, int], number: int
) -> dict[str, float]:
    """Computes the weights of one condition in the next round.

    Args:
        shares: target share of each value.
        kept: kept examples so far, by value.
        rejected: rejected samples so far, by value.
        number: of the next round, from 2.

    Returns:
        value -> weight, adding up to 1.
    """
    all_kept, all_rejected = sum(kept.values()), sum(rejected.values())
    overall = (all_kept + 1) / (all_kept + all_rejected + 2)
    survival = {
        value: (kept.get(value, 0) + overall) / (kept.get(value, 0) + rejected.get(value, 0) + 1) for value in shares
    }
    expected = max(all_kept, 1) * number / (number - 1)  # if every round keeps as many as those before it
    lacking = {value: max(0.0, share * expected - kept.get(value, 0)) for value, share in shares.items()}
    needed = {value: lacking[value] / max(survival[value], _LEAST_SURVIVAL) for value in shares}
    total = sum(needed.values()) or 1.0
    weights = {value: needed[value] / total + _LEAST_SHARE * share for value, share in shares.items()}
    return {value: weight / sum(weights.values()) for value, weight in weights.items()}


class Coverage:
    """Counts the samples of each passage, and knows which passages their queries did not find.

    Args:
        passage_ids: (n,) all passages.
        samples: (n,) samples of each so far.
        lost: passages all of whose queries failed to find them.
    """

    def __init__(self, passage_ids: Sequence[str], samples: Integers, lost: Collection[str]) -> None:
        self._counts = samples
        self._lost = np.array([passage in lost for passage in passage_ids], np.bool_)
        self._ranks = text_hashes(passage_ids)

    def choose(self, size: int, extra: int) -> Integers:
        """Chooses the passages of the next samples: lost ones first, then those with the fewest samples.

        Args:
            size: how many samples the round has.
            extra: samples that a passage may have beyond the even share at the end of the round.

        Returns:
            (m,) rows of `passage_ids`, a row for each sample; m is less than `size` where that share leaves no room.
        """
        counts = self._counts.copy()
        limit = -(-(int(counts.sum()) + size) // len(counts)) + extra
        chosen: list[Integers] = []
        left, first = size, self._lost
        while left > 0:
            order = np.lexsort((self._ranks, counts, ~first))
            order = order[counts[order] < limit][:left]
            if not len(order):
                break
            counts[order] += 1
            chosen.append(order)
            left, first = left - len(order), np.zeros_like(first)
        return np.concatenate(chosen).astype(np.int64) if chosen else np.empty(0, np.int64)


def _lost(examples: ExamplesFolder) -> set[str]:
    """Finds the passages of which nothing is kept, and at least one query failed the round trip."""
    lost: set[str] = set()
    for batch in examples.rejected_batches(["passage_id", "reason"]):
        lost.update(batch.filter(pc.equal(batch["reason"], "round_trip"))["passage_id"].to_pylist())
    for batch in examples.kept_batches(["passage_id"]):
        lost.difference_update(batch["passage_id"].to_pylist())
    return lost


def _with_weights(
    attributes: Mapping[str, AttributeConfig], weights: Mapping[str, Mapping[str, float]]
) -> dict[str, AttributeConfig]:
    drawn_anew = {name: replace(attributes[name], values=dict(values)) for name, values in weights.items()}
    return {**attributes, **drawn_anew}

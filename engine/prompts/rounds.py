"""Dataset-wise rounds: what the next round asks for, from what the earlier ones kept.

In: the plan so far and how its samples were curated. Out: a plan that begins with the plan so far, row for row, and
goes on with a round in which

- values of a condition are drawn in proportion to what their share of the kept examples still lacks, divided by how
  often a sample with the value was kept, so that the *kept* examples approach the shares that the task asks for;
- passages whose own queries failed to find them come first, then those that were asked the least; a passage gets at
  most `extra_per_passage` samples beyond its even share, since bad queries fail too.

Everything read here is a finished folder, so a round is as repeatable as the first one. Samples of earlier rounds are
not generated again: the samples step takes them over by their row fingerprints.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.prompts.config import RoundConfig
from engine.prompts.plan import Planning, PlanSize, plan_more
from engine.prompts.planner import Planner, read_ground
from engine.task.config import AttributeConfig
from engine.task.shares import target_shares
from engine.text.hashes import text_hashes

if TYPE_CHECKING:
    from engine.runtime.place import Place


Integers = npt.NDArray[np.int64]


_LEAST_SURVIVAL = 0.02
"""A value that was never kept is drawn more, but not without bound."""


_CHUNK_ROWS = 1 << 16


_FLOOR = 0.1
"""Of a value's share that it keeps even when nothing is lacking, so that no value is lost sight of."""


def plan_round(config: RoundConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> PromptsRecord:
    """Plans one more round; see the module."""
    examples = ExamplesFolder(inputs["examples"])
    kept, rejected = examples.kept(), examples.rejected()
    earlier = PromptsFolder(inputs["prompts"]).plan()
    prompts, ground = config.prompts, read_ground(inputs["prompts"])
    task = ground.task
    weights = {
        name: next_weights(shares, _counts(kept, name), _counts(rejected, name), config.number)
        for name, one in task.attributes.items()
        if (shares := target_shares(one))
    }
    drawn = replace(task, attributes=_reweighted(task.attributes, weights))
    planner = Planner(prompts, replace(ground, drawn=drawn), inputs["documents"], output, place)
    planner.drawer.count_earlier(earlier)
    size = PlanSize(prompts.per_passage, prompts.max_samples, prompts.seed, prompts.rounds)
    wanted = size.total(len(planner.passage_ids), config.number)
    asked = Asked(planner.passage_ids, earlier["passage_id"].to_pylist(), _lost(kept, rejected))
    chosen = asked.choose(wanted - len(earlier), prompts.extra_per_passage)
    planning = Planning(planner.drawer, planner.sets, planner.lengths, prompts.seed)
    more = plan_more(earlier, planner.passage_ids, chosen, config.number - 1, planning)
    return planner.write(itertools.chain(_chunks(earlier), more), wanted, weights)


def next_weights(
    shares: Mapping[str, float], kept: Mapping[str, int], rejected: Mapping[str, int], number: int
) -> dict[str, float]:
    """Weights of the next round for one condition.

    Args:
        shares: target share of each value.
        kept: kept examples so far, by value.
        rejected: rejected samples so far, by value.
        number: of the next round, from 2.

    Returns:
        value -> weight, adding up to 1.
    """
    done, lost = sum(kept.values()), sum(rejected.values())
    overall = (done + 1) / (done + lost + 2)
    survival = {
        value: (kept.get(value, 0) + overall) / (kept.get(value, 0) + rejected.get(value, 0) + 1) for value in shares
    }
    expected = max(done, 1) * number / (number - 1)  # if every round keeps as many as those before it
    lacking = {value: max(0.0, share * expected - kept.get(value, 0)) for value, share in shares.items()}
    wanted = {value: lacking[value] / max(survival[value], _LEAST_SURVIVAL) for value in shares}
    whole = sum(wanted.values()) or 1.0
    weights = {value: wanted[value] / whole + _FLOOR * share for value, share in shares.items()}
    return {value: weight / sum(weights.values()) for value, weight in weights.items()}


class Asked:
    """How often each passage was asked, and which were not found by their own queries.

    Args:
        passage_ids: (n,) all passages.
        planned: the passage of every sample so far.
        lost: passages all of whose queries failed to find them.
    """

    def __init__(self, passage_ids: Sequence[str], planned: Sequence[str], lost: Collection[str]) -> None:
        row_of = {passage: row for row, passage in enumerate(passage_ids)}
        self._counts = np.bincount([row_of[passage] for passage in planned], minlength=len(passage_ids))
        self._lost = np.array([passage in lost for passage in passage_ids], np.bool_)
        self._ranks = text_hashes(passage_ids)

    def choose(self, size: int, extra: int) -> Integers:
        """(m,) passages of the next samples: lost ones first, then those asked the least; m is at most `size`.

        No passage gets more than `extra` samples beyond the even share at the end of the round.
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


def _lost(kept: pa.Table, rejected: pa.Table) -> set[str]:
    """Passages of which nothing is kept, and at least one query failed the round trip."""
    failed = rejected.filter(pc.equal(rejected["reason"], "round_trip"))["passage_id"]
    return set(failed.to_pylist()) - set(kept["passage_id"].to_pylist())


def _counts(rows: pa.Table, name: str) -> Counter[str]:
    return Counter(rows[f"{CONDITION_PREFIX}{name}"].to_pylist())


def _reweighted(
    attributes: Mapping[str, AttributeConfig], weights: Mapping[str, Mapping[str, float]]
) -> dict[str, AttributeConfig]:
    return {
        name: replace(one, values=dict(weights[name])) if name in weights else one for name, one in attributes.items()
    }


def _chunks(table: pa.Table) -> Iterator[pa.Table]:
    return (table.slice(start, _CHUNK_ROWS) for start in range(0, len(table), _CHUNK_ROWS))

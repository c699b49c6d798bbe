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

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.attributes import weights_of
from engine.conditions import AttributeConfig
from engine.prompts import PromptsConfig, plan_with
from engine.records import CONDITION_PREFIX

if TYPE_CHECKING:
    from engine.place import Place

Integers = npt.NDArray[np.int64]

_LEAST_SURVIVAL = 0.02
"""A value that was never kept is drawn more, but not without bound."""
_FLOOR = 0.1
"""Of a value's share that it keeps even when nothing is lacking, so that no value is lost sight of."""


@dataclass(frozen=True)
class RoundConfig:
    """A round after the first."""

    prompts: PromptsConfig
    number: int
    """Counted from 2."""


def plan_round(config: RoundConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    """Plans one more round; see the module. Record: as `plan_prompts`, with `round` and `targets`."""
    kept, rejected = (pq.read_table(inputs["examples"] / f"{name}.parquet") for name in ("kept", "rejected"))
    attributes = config.prompts.task.attributes
    targets = {name: shares for name, one in attributes.items() if (shares := target_shares(one))}
    total = config.prompts.total(pq.read_metadata(inputs["documents"] / "passages.parquet").num_rows)
    rounds = config.prompts.rounds
    weights = {
        name: next_weights(shares, *_counts(name, kept, rejected), progress=config.number / rounds)
        for name, shares in targets.items()
    }
    task = replace(config.prompts.task, attributes=reweighted(attributes, weights))
    before = [pq.read_table(file) for file in sorted(inputs["prompts"].glob("plan-*.parquet"))]
    plan = pa.concat_tables(before)
    ids = pq.read_table(inputs["documents"] / "passages.parquet", columns=["passage_id"])["passage_id"].to_pylist()
    size = total * config.number // rounds - len(plan)
    passages = choose_passages(ids, plan, _failed(rejected), set(kept["passage_id"].to_pylist()), size, config.prompts)
    record = plan_with(config.prompts, task, inputs, output, place, earlier=plan, passages=passages)
    return {**record, "round": config.number, "targets": targets}


def target_shares(attribute: AttributeConfig) -> dict[str, float]:
    """The shares that a plain list of values asks for; empty for other kinds, which rounds leave as they are."""
    if not attribute.values or attribute.pick or attribute.depends_on:
        return {}
    weights = {value: weight for value, weight in weights_of(attribute.values, "").items() if weight > 0}
    return {value: weight / sum(weights.values()) for value, weight in weights.items()}


def next_weights(
    shares: Mapping[str, float], kept: Mapping[str, int], generated: Mapping[str, int], progress: float
) -> dict[str, float]:
    """Weights of the next round for one condition.

    Args:
        shares: target share of each value.
        kept: kept examples so far, by value.
        generated: generated samples so far, by value.
        progress: share of all rounds that is done after the next one.

    Returns:
        value -> weight, adding up to 1.
    """
    done = sum(kept.values())
    overall = (done + 1) / (sum(generated.values()) + 2)
    survival = {value: (kept.get(value, 0) + overall) / (generated.get(value, 0) + 1) for value in shares}
    # What would be kept by the end of the next round if every round kept as many as those before it.
    expected = done * progress / max(progress - 1 / max(1, round(1 / progress)), progress / 2) if done else 1.0
    lacking = {value: max(0.0, share * expected - kept.get(value, 0)) for value, share in shares.items()}
    wanted = {value: lacking[value] / max(survival[value], _LEAST_SURVIVAL) for value in shares}
    whole = sum(wanted.values())
    weights = {value: (wanted[value] / whole if whole else 0.0) + _FLOOR * share for value, share in shares.items()}
    return {value: weight / sum(weights.values()) for value, weight in weights.items()}

"""The plan: which passage is written about, under which conditions, with which demonstrations; vectorised.

In: passage ids and token counts, the grid of conditions, demonstration sets. Out: columns of `records.PROMPTS`.
A planned sample's key is (passage, cell, replicate, round). All its draws come from a hash of (run seed, passage,
slot), never from position, worker, order or clock, so the same key gets the same draws in any plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import UserError
from engine.records import CONDITION_PREFIX, PROMPTS
from engine.task import AttributeConfig, format_cell

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_CHUNK_ROWS = 1 << 16
_PICK, _SET, _CELL = 0, 1, 2  # streams of draws; attribute i draws from stream _CELL + i


@dataclass(frozen=True)
class Grid:
    """Every combination of condition values, as parallel arrays over its cells."""

    names: list[str]
    cells: list[str]
    values: list[tuple[str, ...]]
    cumulative: list[Floats]  # per attribute: cumulated shares of its values
    choices: list[list[str]]  # per attribute: its values
    stratum: Integers  # per cell: index of the value that demonstrations are chosen by


@dataclass(frozen=True)
class Sets:
    """Token counts of the rendered prefixes."""

    per_stratum: int
    prefix_tokens: Integers  # (sets, cells), or (sets, 1) when the prefix does not depend on the cell


@dataclass(frozen=True)
class PlanSize:
    """How many samples to plan, and from which seed."""

    per_passage: int
    max_samples: int
    seed: int


def make_grid(attributes: Mapping[str, AttributeConfig], stratum_name: str, stratum_values: Sequence[str]) -> Grid:
    """Resolves the grid of a task: the attribute chosen by demonstrations keeps only the values they carry.

    Raises:
        UserError: a weight is negative, an attribute has no value with a positive one, or a sign that cells are
            written with stands in a name or value.
    """
    names, choices, cumulative = [], [], []
    for name, attribute in attributes.items():
        _check_signs(name, attribute)
        values = {value: weight for value, weight in attribute.values.items() if weight > 0}
        if name == stratum_name:
            values = {value: values.get(value, 1.0) for value in stratum_values}
        if not values or min(attribute.values.values(), default=0) < 0:
            raise UserError(
                f"weights {dict(attribute.values)} draw nothing",
                place=f"task.attributes.{name}.values",
                remedy="give at least one value a weight above 0, and none below",
            )
        names.append(name)
        choices.append(list(values))
        cumulative.append(np.cumsum(list(values.values())) / sum(values.values()))
    shape = [len(values) for values in choices]
    indices = list(np.ndindex(*shape)) if shape else [()]
    combinations = [tuple(choices[a][i] for a, i in enumerate(index)) for index in indices]
    position = names.index(stratum_name) if stratum_name in names else None
    stratum = [0 if position is None else index[position] for index in indices]
    cells = [format_cell(dict(zip(names, values, strict=True))) for values in combinations]
    return Grid(names, cells, combinations, cumulative, choices, np.array(stratum, np.int64))


def _check_signs(name: str, attribute: AttributeConfig) -> None:
    wrong = [text for text in (name, *attribute.values) if "|" in text or (text is name and "=" in text)]
    if wrong:
        raise UserError(
            f"the condition {wrong[0]!r} holds a sign that separates conditions",
            place=f"task.attributes.{name}",
            remedy="write it without '|', and a name without '='",
        )


def plan_samples(
    passage_ids: Sequence[str], suffix_tokens: Integers, grid: Grid, sets: Sets, size: PlanSize
) -> Iterator[pa.Table]:
    """Plans samples in chunks of at most 65,536 rows, with `sample_id` counting up from 0.

    Every passage's first sample comes before any second one, passages in the order of a seeded hash, so that
    a larger `max_samples` only adds rows at the end.

    Args:
        passage_ids: (n,) ids.
        suffix_tokens: (n,) tokens of the prompt after the prefix.
        grid: the conditions.
        sets: the demonstration sets.
        size: how many.
    """
    hashes = np.array([_hash(passage) for passage in passage_ids], np.uint64)
    order = np.argsort(_mix(hashes, size.seed, _PICK, 0), kind="stable").astype(np.int64)
    total = len(passage_ids) * size.per_passage
    total = min(total, size.max_samples) if size.max_samples else total
    ids = pa.array(passage_ids)
    for start in range(0, total, _CHUNK_ROWS):
        rows = np.arange(start, min(start + _CHUNK_ROWS, total), dtype=np.int64)
        slot, rank = np.divmod(rows, len(passage_ids))
        passage = order[rank]
        yield _chunk(
            rows, passage, ids.take(pa.array(passage)), _draws(hashes[passage], slot, grid, sets, size), suffix_tokens
        )


@dataclass(frozen=True)
class _Draws:
    cell: Integers
    replicate: Integers
    set_index: Integers
    prefix: Integers
    prefix_tokens: Integers
    grid: Grid


def _draws(hashes: Hashes, slot: Integers, grid: Grid, sets: Sets, size: PlanSize) -> _Draws:
    cell = _draw_cells(hashes, slot, grid, size.seed)
    # The replicate numbers samples of one passage and cell: equal keys would otherwise have equal draws.
    replicate = np.zeros(len(slot), np.int64)
    for earlier in range(int(slot.max(initial=0))):
        same = _draw_cells(hashes, np.full_like(slot, earlier), grid, size.seed) == cell
        replicate += same & (earlier < slot)
    draw = (_uniform(_mix(hashes, size.seed, _SET, slot)) * sets.per_stratum).astype(np.int64)
    set_index = grid.stratum[cell] * sets.per_stratum + draw
    columns = sets.prefix_tokens.shape[1]
    column = cell if columns > 1 else np.zeros_like(cell)
    return _Draws(cell, replicate, set_index, set_index * columns + column, sets.prefix_tokens[set_index, column], grid)


def _draw_cells(hashes: Hashes, slot: Integers, grid: Grid, seed: int) -> Integers:
    cell = np.zeros(len(slot), np.int64)
    for index, cumulative in enumerate(grid.cumulative):
        draw = _uniform(_mix(hashes, seed, _CELL + index, slot))
        value = np.minimum(np.searchsorted(cumulative, draw, side="right"), len(cumulative) - 1)
        cell = cell * len(cumulative) + value
    return cell


def _chunk(rows: Integers, passage: Integers, ids: pa.Array, draws: _Draws, suffix_tokens: Integers) -> pa.Table:
    grid = draws.grid
    columns = [
        rows,
        ids,
        pa.array(grid.cells).take(pa.array(draws.cell)),
        draws.replicate,
        np.zeros_like(rows),
        draws.set_index,
        draws.prefix,
        draws.prefix_tokens + suffix_tokens[passage],
    ]
    arrays = [pa.array(column).cast(field.type) for column, field in zip(columns, PROMPTS, strict=True)]
    fields = list(PROMPTS)
    for index, name in enumerate(grid.names):
        values = pa.array([cell[index] for cell in grid.values])
        arrays.append(values.take(pa.array(draws.cell)))
        fields.append(pa.field(f"{CONDITION_PREFIX}{name}", pa.string()))
    return pa.table(arrays, schema=pa.schema(fields))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _mix(hashes: Hashes, seed: int, stream: int, slot: Integers | int) -> Hashes:
    """SplitMix64 (Steele et al. 2014) over the combined words: independent 64-bit draws for each key."""
    with np.errstate(over="ignore"):
        key = hashes ^ np.uint64((seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF)
        z = key + np.asarray(slot).astype(np.uint64) * np.uint64(0xA0761D6478BD642F)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
        mixed: Hashes = z ^ (z >> np.uint64(31))
        return mixed


def _uniform(hashes: Hashes) -> Floats:
    """64-bit hashes as floats in [0, 1)."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53

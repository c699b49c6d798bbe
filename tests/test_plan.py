"""The plan: draws hang on keys alone, shares follow weights, a limit only cuts."""

import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.plan import Grid, PlanSize, Sets, make_grid, plan_samples
from engine.records import PROMPTS
from engine.task import AttributeConfig, parse_cell

ATTRIBUTES = {
    "form": AttributeConfig({"question": 3.0, "keywords": 1.0}, from_demonstrations=True),
    "length": AttributeConfig({"short": 1.0, "long": 1.0, "never": 0.0}),
}
GRID = make_grid(ATTRIBUTES, "form", ["question", "keywords"])
NO_GRID = make_grid({}, "", [""])
IDS = [f"doc{number}" for number in range(3000)]


def plan(
    ids: list[str], grid: Grid = GRID, per_passage: int = 1, max_samples: int = 0, seed: int = 0, num_sets: int = 4
) -> pa.Table:
    suffixes = np.array([len(name) for name in ids], np.int64)
    strata = 2 if grid.names else 1
    sets = Sets(num_sets, np.arange(100, 100 + strata * num_sets, dtype=np.int64)[:, None])
    return pa.concat_tables(plan_samples(ids, suffixes, grid, sets, PlanSize(per_passage, max_samples, seed)))


def by_key(table: pa.Table) -> dict[tuple[str, str, int], tuple[object, ...]]:
    rows = table.to_pylist()
    drawn = ("demonstration_set", "prefix", "prompt_tokens", "condition_form", "condition_length")
    return {(r["passage_id"], r["cell"], r["replicate"]): tuple(r.get(name) for name in drawn) for r in rows}


def test_the_grid_is_every_combination() -> None:
    assert GRID.names == ["form", "length"]
    assert GRID.cells == [
        "form=question|length=short",
        "form=question|length=long",
        "form=keywords|length=short",
        "form=keywords|length=long",
    ]
    assert GRID.stratum.tolist() == [0, 0, 1, 1]
    assert GRID.cumulative[0].tolist() == [0.75, 1.0]
    assert NO_GRID.cells == [""]


def test_the_grid_keeps_only_values_that_demonstrations_carry() -> None:
    assert make_grid(ATTRIBUTES, "form", ["keywords"]).choices == [["keywords"], ["short", "long"]]
    assert make_grid(ATTRIBUTES, "form", [""]).cells == ["form=|length=short", "form=|length=long"]


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("form", {"a": -1.0, "b": 2.0}, "weights {'a': -1.0, 'b': 2.0} draw nothing"),
        ("form", {"a": 0.0}, "weights {'a': 0.0} draw nothing"),
        ("form", {}, "weights {} draw nothing"),
        ("form", {"a|b": 1.0}, "the condition 'a|b' holds a sign"),
        ("a=b", {"x": 1.0}, "the condition 'a=b' holds a sign"),
    ],
)
def test_a_grid_that_cannot_be_drawn_is_refused(name: str, values: dict[str, float], what: str) -> None:
    with pytest.raises(UserError) as caught:
        make_grid({name: AttributeConfig(values)}, "", [""])
    assert what in caught.value.what
    assert caught.value.place.startswith(f"task.attributes.{name}")


def test_a_plan_has_the_columns_of_its_record() -> None:
    table = plan(IDS[:10])
    assert list(table.schema)[: len(PROMPTS)] == list(PROMPTS)
    assert table.column_names[len(PROMPTS) :] == ["condition_form", "condition_length"]
    assert plan(IDS[:10], NO_GRID).column_names == PROMPTS.names


def test_numbers_samples_in_plan_order_first_ones_first() -> None:
    table = plan(IDS, per_passage=3)
    assert table["sample_id"].to_pylist() == list(range(9000))
    names = table["passage_id"].to_pylist()
    assert set(names[:3000]) == set(IDS)
    assert names[3000:6000] == names[:3000]
    assert names[:3000] != IDS, "passages come in the order of a hash"


def test_conditions_stand_on_the_row() -> None:
    for row in plan(IDS[:50]).to_pylist():
        assert parse_cell(row["cell"]) == {"form": row["condition_form"], "length": row["condition_length"]}


def test_the_order_of_passages_changes_no_draw() -> None:
    shuffled = [IDS[i] for i in np.random.default_rng(0).permutation(len(IDS))]
    assert plan(shuffled, per_passage=2).equals(plan(IDS, per_passage=2))


def test_other_passages_change_no_draw() -> None:
    some, all_of_them = by_key(plan(IDS[:500], per_passage=3)), by_key(plan(IDS, per_passage=3))
    assert {key: all_of_them[key] for key in some} == some


def test_more_samples_change_no_draw() -> None:
    few, many = by_key(plan(IDS, per_passage=2)), by_key(plan(IDS, per_passage=4))
    assert {key: many[key] for key in few} == few
    assert len(many) == 12_000


@pytest.mark.parametrize("limit", [1, 2999, 3000, 3001, 5999, 6000, 7000])
def test_a_limit_only_cuts(limit: int) -> None:
    whole = plan(IDS, per_passage=2)
    assert plan(IDS, per_passage=2, max_samples=limit).equals(whole.slice(0, min(limit, 6000)))


def test_a_plan_of_many_chunks_is_one_plan() -> None:
    ids = [str(number) for number in range(70_000)]
    table = plan(ids, per_passage=2)
    assert table["sample_id"].to_pylist() == list(range(140_000))
    assert set(table["passage_id"].slice(0, 70_000).to_pylist()) == set(ids)
    keys = zip(*(table[name].to_pylist() for name in ("passage_id", "cell", "replicate")), strict=True)
    assert len(set(keys)) == 140_000


def test_the_seed_changes_everything() -> None:
    tables = plan(IDS), plan(IDS, seed=1)
    assert tables[0]["passage_id"].to_pylist() != tables[1]["passage_id"].to_pylist()
    first, second = map(by_key, tables)
    assert sum(second.get(key) != value for key, value in first.items()) > 2000


def test_replicates_count_samples_of_one_passage_and_cell() -> None:
    rows = plan(IDS[:200], per_passage=6).to_pylist()
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        found.setdefault((row["passage_id"], row["cell"]), []).append(row["replicate"])
    assert all(numbers == list(range(len(numbers))) for numbers in found.values())
    assert max(map(len, found.values())) > 2
    assert all(row["replicate"] == slot for slot, row in enumerate(plan(["a"], NO_GRID, 5).to_pylist()))


def share_error(count: int, total: int, share: float) -> float:
    """How far a count is from its share, in standard deviations."""
    return abs(count - total * share) / (total * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_shares_follow_weights(seed: int) -> None:
    table = plan([f"p{number}" for number in range(20_000)], per_passage=2, seed=seed, num_sets=5)
    cells = Counter(table["cell"].to_pylist())
    wanted = dict(zip(GRID.cells, [0.375, 0.375, 0.125, 0.125], strict=True))
    assert all(share_error(cells[cell], 40_000, share) < 5 for cell, share in wanted.items()), cells
    sets = Counter(table["demonstration_set"].to_pylist())
    assert set(sets) == set(range(10))
    assert all(share_error(sets[index], 40_000, 0.15 if index < 5 else 0.05) < 5 for index in sets), sets


def test_draws_of_one_passage_are_independent() -> None:
    rows = plan([f"p{number}" for number in range(20_000)], per_passage=2).to_pylist()
    first, second = rows[:20_000], rows[20_000:]
    for name, chance in (("condition_form", 0.625), ("condition_length", 0.5)):
        same = sum(a[name] == b[name] for a, b in zip(first, second, strict=True))
        assert share_error(same, 20_000, chance) < 5, name
    both = sum(row["condition_form"] == "question" and row["condition_length"] == "short" for row in rows)
    assert share_error(both, 40_000, 0.375) < 5


def test_demonstrations_have_the_value_of_the_sample() -> None:
    rows = plan(IDS, num_sets=4).to_pylist()
    assert {(row["condition_form"], row["demonstration_set"] // 4) for row in rows} == {
        ("question", 0),
        ("keywords", 1),
    }
    for row in rows:
        assert row["prefix"] == row["demonstration_set"]
        assert row["prompt_tokens"] == 100 + row["demonstration_set"] + len(row["passage_id"])


def test_prefixes_that_depend_on_the_cell_are_told_apart() -> None:
    tokens = np.arange(8 * 4, dtype=np.int64).reshape(8, 4)
    [table] = plan_samples(IDS, np.zeros(3000, np.int64), GRID, Sets(4, tokens), PlanSize(1, 0, 0))
    for row in table.to_pylist():
        cell = GRID.cells.index(row["cell"])
        assert row["prefix"] == row["demonstration_set"] * 4 + cell == row["prompt_tokens"]


def test_ids_may_hold_anything() -> None:
    names = ["", "ü", "a\0b", "x" * 10_000]
    assert sorted(plan(names)["passage_id"].to_pylist()) == sorted(names)


def test_two_hundred_thousand_rows_are_planned_in_seconds() -> None:
    ids = [f"doc{number}" for number in range(100_000)]
    started = time.process_time()
    assert plan(ids, per_passage=2).num_rows == 200_000
    assert time.process_time() - started < 4.0, "50,000 a second"

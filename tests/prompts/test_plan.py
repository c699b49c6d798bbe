"""The plan: draws hang on keys alone, shares follow weights, a limit only cuts."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest

from engine.artifacts.columns import PROMPTS
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.constraints import Drawer
from engine.prompts.conditions.draws import Drawn
from engine.prompts.plan import CountTokens, PlanSize, Sets, plan_samples
from engine.task.config import AttributeConfig, QuotaConfig
from engine.text.hashes import Integers

FORMS = AttributeConfig({"question": 3.0, "keywords": 1.0}, from_demonstrations=True)
LENGTHS = AttributeConfig({"short": 1.0, "long": 1.0, "never": 0.0})
ATTRIBUTES = {"form": FORMS, "length": LENGTHS}
IDS = [f"doc{number}" for number in range(3000)]
ONCE = PlanSize(per_passage=1, max_samples=0, seed=0)


def counter(ids: list[str]) -> CountTokens:
    """100 tokens and the set's number, and another for each character of the passage's id."""
    sizes = np.array([len(name) for name in ids], np.int64)

    def count(passages: Integers, set_index: Integers, drawn: Mapping[str, Drawn]) -> Integers:
        total: Integers = 100 + set_index + sizes[passages]
        return total

    return count


def plan(
    ids: list[str],
    attributes: Mapping[str, AttributeConfig] | None = None,
    size: PlanSize = ONCE,
    num_sets: int = 4,
    quotas: Sequence[QuotaConfig] = (),
    prefix_names: Sequence[str] = (),
) -> pa.Table:
    chosen = ATTRIBUTES if attributes is None else attributes
    stratum, values = ("form", ["question", "keywords"]) if "form" in chosen else ("", [""])
    drawer = Drawer(make_conditions(chosen, stratum, values), [], quotas)
    sets = Sets(num_sets, values, prefix_names)
    return pa.concat_tables(plan_samples(ids, drawer, sets, counter(ids), size))


def by_key(table: pa.Table) -> dict[tuple[str, str, int], tuple[object, ...]]:
    rows = table.to_pylist()
    drawn = ("demonstration_set", "prefix", "prompt_tokens", "condition_form", "condition_length")
    return {(r["passage_id"], r["cell"], r["replicate"]): tuple(r.get(name) for name in drawn) for r in rows}


def test_a_plan_has_the_columns_of_its_record() -> None:
    table = plan(IDS[:10])
    assert list(table.schema)[: len(PROMPTS)] == list(PROMPTS)
    assert table.column_names[len(PROMPTS) :] == ["condition_form", "condition_length"]
    assert plan(IDS[:10], {}).column_names == PROMPTS.names


def test_numbers_samples_in_plan_order_first_ones_first() -> None:
    table = plan(IDS, size=PlanSize(3, 0, 0))
    assert table["sample_id"].to_pylist() == list(range(9000))
    names = table["passage_id"].to_pylist()
    assert set(names[:3000]) == set(IDS)
    assert names[3000:6000] == names[:3000]
    assert names[:3000] != IDS, "passages come in the order of a hash"


def test_conditions_stand_on_the_row() -> None:
    for row in plan(IDS[:50]).to_pylist():
        assert row["cell"] == f"form={row['condition_form']}|length={row['condition_length']}"


def test_the_order_of_passages_changes_no_draw() -> None:
    shuffled = [IDS[i] for i in np.random.default_rng(0).permutation(len(IDS))]
    assert plan(shuffled, size=PlanSize(2, 0, 0)).equals(plan(IDS, size=PlanSize(2, 0, 0)))


def test_other_passages_change_no_draw() -> None:
    some, all_of_them = by_key(plan(IDS[:500], size=PlanSize(3, 0, 0))), by_key(plan(IDS, size=PlanSize(3, 0, 0)))
    assert {key: all_of_them[key] for key in some} == some


def test_more_samples_change_no_draw() -> None:
    few, many = by_key(plan(IDS, size=PlanSize(2, 0, 0))), by_key(plan(IDS, size=PlanSize(4, 0, 0)))
    assert {key: many[key] for key in few} == few
    assert len(many) == 12_000


@pytest.mark.parametrize("limit", [1, 2999, 3000, 3001, 5999, 6000, 7000])
def test_a_limit_only_cuts(limit: int) -> None:
    whole = plan(IDS, size=PlanSize(2, 0, 0))
    assert plan(IDS, size=PlanSize(2, limit, 0)).equals(whole.slice(0, min(limit, 6000)))


def test_a_plan_of_many_chunks_is_one_plan() -> None:
    ids = [str(number) for number in range(70_000)]
    table = plan(ids, size=PlanSize(2, 0, 0))
    assert table["sample_id"].to_pylist() == list(range(140_000))
    assert set(table["passage_id"].slice(0, 70_000).to_pylist()) == set(ids)
    keys = zip(*(table[name].to_pylist() for name in ("passage_id", "cell", "replicate")), strict=True)
    assert len(set(keys)) == 140_000


def test_the_seed_changes_everything() -> None:
    tables = plan(IDS), plan(IDS, size=PlanSize(1, 0, 1))
    assert tables[0]["passage_id"].to_pylist() != tables[1]["passage_id"].to_pylist()
    first, second = map(by_key, tables)
    assert sum(second.get(key) != value for key, value in first.items()) > 2000


def test_replicates_count_samples_of_one_passage_and_cell() -> None:
    rows = plan(IDS[:200], size=PlanSize(6, 0, 0)).to_pylist()
    replicates: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        replicates.setdefault((row["passage_id"], row["cell"]), []).append(row["replicate"])
    assert all(numbers == list(range(len(numbers))) for numbers in replicates.values())
    assert max(map(len, replicates.values())) > 2
    assert all(row["replicate"] == slot for slot, row in enumerate(plan(["a"], {}, PlanSize(5, 0, 0)).to_pylist()))


def share_error(count: int, total: int, share: float) -> float:
    """How far a count is from its share, in standard deviations."""
    return abs(count - total * share) / (total * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_shares_follow_weights(seed: int) -> None:
    table = plan([f"p{number}" for number in range(20_000)], size=PlanSize(2, 0, seed), num_sets=5)
    cells = Counter(table["cell"].to_pylist())
    expected = {
        "form=question|length=short": 0.375,
        "form=question|length=long": 0.375,
        "form=keywords|length=short": 0.125,
        "form=keywords|length=long": 0.125,
    }
    assert all(share_error(cells[cell], 40_000, share) < 5 for cell, share in expected.items()), cells
    sets = Counter(table["demonstration_set"].to_pylist())
    assert set(sets) == set(range(10))
    assert all(share_error(sets[index], 40_000, 0.15 if index < 5 else 0.05) < 5 for index in sets), sets


def test_draws_of_one_passage_are_independent() -> None:
    rows = plan([f"p{number}" for number in range(20_000)], size=PlanSize(2, 0, 0)).to_pylist()
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


def test_prefixes_that_mention_a_condition_are_told_apart() -> None:
    rows = plan(IDS, prefix_names=["length"]).to_pylist()
    starts = {(row["demonstration_set"], row["condition_length"]): row["prefix"] for row in rows}
    assert all(row["prefix"] == starts[row["demonstration_set"], row["condition_length"]] for row in rows)
    assert len(set(starts.values())) == len(starts) == 16, "a number for each set and value"
    assert min(starts.values()) >= 0
    assert plan(IDS, prefix_names=["length"], size=PlanSize(2, 0, 0)).slice(0, 3000).to_pylist() == rows


def test_another_attribute_moves_no_draw() -> None:
    more = {"tone": AttributeConfig(["dry", "warm"]), **ATTRIBUTES}
    columns = ["passage_id", "condition_form", "condition_length"]
    assert plan(IDS, more).select(columns).equals(plan(IDS).select(columns))


def test_an_added_value_moves_only_those_who_draw_it() -> None:
    before, after = (plan(IDS, {"tone": AttributeConfig([*tones])}, PlanSize(3, 0, 0)) for tones in ("ab", "abc"))
    old, new = (table["condition_tone"].to_pylist() for table in (before, after))
    assert {b for a, b in zip(old, new, strict=True) if a != b} == {"c"}
    assert share_error(new.count("c"), 9000, 1 / 3) < 5
    rows = {(r["passage_id"], r["cell"], r["replicate"]): r["demonstration_set"] for r in before.to_pylist()}
    kept = [r for r in after.to_pylist() if r["condition_tone"] != "c"]
    assert all(rows[r["passage_id"], r["cell"], r["replicate"]] == r["demonstration_set"] for r in kept)


def test_quotas_end_a_plan_where_no_cell_is_free() -> None:
    tones = {"tone": AttributeConfig({"dry": 9.0, "warm": 1.0})}
    quotas = [QuotaConfig({"tone": "dry"}, 100), QuotaConfig({"tone": "warm"}, 50)]
    table = plan(IDS, tones, quotas=quotas)
    assert Counter(table["condition_tone"].to_pylist()) == {"dry": 100, "warm": 50}
    assert table["sample_id"].to_pylist() == list(range(150))
    short = plan(IDS, tones, PlanSize(1, 120, 0), quotas=quotas)
    assert short.equals(table.slice(0, 120)), "a larger plan only adds rows"


def test_a_full_plan_yields_no_chunk() -> None:
    conditions = make_conditions({"tone": AttributeConfig(["dry"])})
    drawer = Drawer(conditions, [], [QuotaConfig({"tone": "dry"}, 0)])
    assert list(plan_samples(IDS, drawer, Sets(1), counter(IDS), ONCE)) == []


def test_ids_may_hold_anything() -> None:
    names = ["", "ü", "a\0b", "x" * 10_000]
    assert sorted(plan(names)["passage_id"].to_pylist()) == sorted(names)


def test_two_hundred_thousand_rows_are_planned_in_seconds() -> None:
    ids = [f"doc{number}" for number in range(100_000)]
    started = time.process_time()
    assert plan(ids, size=PlanSize(2, 0, 0)).num_rows == 200_000
    assert time.process_time() - started < 4.0, "50,000 a second"

"""Exclusions are never drawn, quotas never exceeded, and both leave the rest in the proportions of the weights."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.conditions import Conditions, RowKeys
from engine.prompts.conditions.constraints import Drawer, Pattern, check_constraints
from engine.task.config import AttributeConfig, QuotaConfig
from engine.text.hashes import text_hashes

COUNT = 20_000
HASHES = text_hashes([f"p{number}" for number in range(COUNT)])
CONDITIONS = make_conditions(
    {
        "form": AttributeConfig({"question": 3.0, "claim": 1.0}),
        "length": AttributeConfig(["short", "long", "endless"]),
        "traits": AttributeConfig(["x", "y", "z"], pick=2),
    }
)


def rows(start: int = 0, end: int = COUNT) -> RowKeys:
    zeros = np.zeros(end - start, np.int64)
    return RowKeys(HASHES[start:end], zeros, zeros, 0)


def draw(
    exclude: Sequence[dict[str, Any]] = (),
    quotas: Sequence[QuotaConfig] = (),
    conditions: Conditions = CONDITIONS,
    step: int = COUNT,
) -> list[tuple[str, ...]]:
    """Drawn rows, `step` at a time, until the plan ends."""
    drawer = Drawer(conditions, exclude, quotas)
    drawn_rows: list[tuple[str, ...]] = []
    for start in range(0, COUNT, step):
        drawn, count = drawer.draw(rows(start, min(start + step, COUNT)))
        drawn_rows += zip(*(column.column().to_pylist() for column in drawn.values()), strict=True)
        assert len(drawn_rows) <= start + step
        if count < min(step, COUNT - start):
            break
    return drawn_rows


def test_what_is_excluded_is_never_drawn_and_the_rest_keeps_its_proportions() -> None:
    free, constrained = draw(), draw([{"form": "claim", "length": ["long", "endless"]}])
    pairs = Counter(row[:2] for row in constrained)
    assert set(pairs) == {("question", "short"), ("question", "long"), ("question", "endless"), ("claim", "short")}
    assert pairs["question", "short"] / COUNT == pytest.approx((1 / 4) / (5 / 6), abs=0.02)
    assert pairs["claim", "short"] / COUNT == pytest.approx((1 / 12) / (5 / 6), abs=0.02)
    allowed = [row[:2] in pairs for row in free]
    assert [row for row, ok in zip(constrained, allowed, strict=True) if ok] == [
        row for row, ok in zip(free, allowed, strict=True) if ok
    ], "only what was excluded is drawn again"


def test_one_of_several_picked_values_is_enough() -> None:
    assert {row[2] for row in draw([{"traits": "x", "form": "question"}]) if row[0] == "question"} == {"y, z"}
    assert Pattern({"traits": ["x", "y"]}, {"traits"}).matches(CONDITIONS.draw(rows())).all()


def test_exclusions_that_leave_nothing_name_the_combination() -> None:
    with pytest.raises(UserError) as caught:
        draw([{"form": "question"}, {"form": "claim", "length": ["short", "long", "endless"]}])
    assert caught.value.where in {"task.exclude[0]", "task.exclude[1]"}
    assert "leave nothing to draw instead of form=" in caught.value.what


def plain(exclude: Sequence[dict[str, Any]], quotas: Sequence[QuotaConfig], tries: int = 200) -> list[tuple[str, ...]]:
    """The definition: one sample after the other, each the first of its draws that is neither excluded nor full."""
    draws = []
    for attempt in range(tries):
        drawn = CONDITIONS.draw(RowKeys(HASHES[:300], np.zeros(300, np.int64), np.full(300, attempt), 0))
        draws.append(list(zip(*(column.column().to_pylist() for column in drawn.values()), strict=True)))
    left = [quota.max for quota in quotas]

    def hits(row: tuple[str, ...], combination: dict[str, Any]) -> bool:
        values = dict(zip(CONDITIONS.names, row, strict=True))
        return all(values[name] == value for name, value in combination.items())

    rows_so_far: list[tuple[str, ...]] = []
    for index in range(300):
        free = (
            draws[attempt][index]
            for attempt in range(tries)
            if not any(hits(draws[attempt][index], combination) for combination in exclude)
            and not any(n <= 0 and hits(draws[attempt][index], q.where) for n, q in zip(left, quotas, strict=True))
        )
        row = next(free, None)
        if row is None:
            return rows_so_far
        left = [n - hits(row, quota.where) for n, quota in zip(left, quotas, strict=True)]
        rows_so_far.append(row)
    return rows_so_far


@pytest.mark.parametrize("step", [COUNT, 300, 7])
def test_quotas_are_those_of_the_plain_definition(step: int) -> None:
    exclude = [{"form": "claim", "length": "long"}]
    quotas = [
        QuotaConfig({"form": "question"}, 60),
        QuotaConfig({"length": "short"}, 50),
        QuotaConfig({"form": "claim", "length": "short"}, 20),
        QuotaConfig({"length": "endless"}, 90),
    ]
    expected = plain(exclude, quotas)
    assert 100 < len(expected) < 300
    assert draw(exclude, quotas, step=step)[:300] == expected
    assert len(draw(exclude, quotas, step=step)) == len(expected), "the plan ends where no cell is free"


def test_what_has_no_quota_takes_the_rest() -> None:
    drawn_rows = draw(quotas=[QuotaConfig({"form": "question"}, 10), QuotaConfig({"length": "short"}, 0)])
    assert len(drawn_rows) == COUNT
    assert Counter(row[0] for row in drawn_rows) == {"question": 10, "claim": COUNT - 10}
    assert not [row for row in drawn_rows if row[1] == "short"]


def test_without_conditions_there_is_nothing_to_constrain() -> None:
    drawn, count = Drawer(make_conditions({})).draw(rows(0, 5))
    assert (drawn, count) == ({}, 5)


def test_quotas_count_earlier_rows() -> None:
    attributes = {"form": AttributeConfig(["x", "y"]), "tags": AttributeConfig(["p", "q"], pick=[0, 2])}
    earlier = pa.table({"condition_form": ["x", "y", "x"], "condition_tags": ["p, q", "q", ""]})
    quotas = [QuotaConfig({"form": "x"}, 5), QuotaConfig({"form": ["x", "y"], "tags": "q"}, 1)]
    drawer = Drawer(make_conditions(attributes), quotas=quotas)
    drawer.count_earlier(earlier)
    drawn, count = drawer.draw(rows(0, 200))
    assert count == 200
    forms, tags = (drawn[name].column().to_pylist() for name in ("form", "tags"))
    assert forms.count("x") == 3, "two of five were planned before"
    assert not any("q" in tag for tag in tags), "the other quota was used up already"


@pytest.mark.parametrize(
    ("exclude", "quotas", "where", "what"),
    [
        ([{}], [], "task.exclude[0]", "names no condition"),
        ([{"form": "claim"}, {"from": "claim"}], [], "task.exclude[1]", "there is no condition 'from'"),
        ([{"form": ["claim", "clam"]}], [], "task.exclude[0]", "form is never 'clam'"),
        ([], [QuotaConfig({}, 3)], "task.quotas[0].where", "names no condition"),
        ([], [QuotaConfig({"length": "medium"}, 3)], "task.quotas[0].where", "length is never 'medium'"),
        ([], [QuotaConfig({"length": "long"}, -3)], "task.quotas[0].max=-3", "-3 is too small"),
    ],
)
def test_what_can_never_match_is_refused(
    exclude: list[dict[str, Any]], quotas: list[QuotaConfig], where: str, what: str
) -> None:
    with pytest.raises(UserError) as caught:
        check_constraints(exclude, quotas, CONDITIONS)
    assert (caught.value.where, caught.value.what) == (where, what)
    check_constraints([{"traits": "x"}], [QuotaConfig({"form": ["claim"]}, 0)], CONDITIONS)


def test_a_misspelt_value_is_told_its_neighbour() -> None:
    with pytest.raises(UserError) as caught:
        check_constraints([{"form": "clam"}], [], CONDITIONS)
    assert "did you mean 'claim'?" in caught.value.remedy

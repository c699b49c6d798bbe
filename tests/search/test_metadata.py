"""Conditions and boosts mean what a person writes, and a slip is one line."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.search.bm25 import Bm25Index
from engine.search.fusion import FoundSystem
from engine.search.metadata import Metadata, with_metadata
from engine.search.order import id_ranks
from engine.search.systems import Bm25System

FIELDS = Metadata(
    pa.table(
        {
            "source": pa.array(["manual", "faq", "manual", None], pa.large_string()),
            "date": pa.array([date(2024, 1, 1), date(2023, 7, 5), None, date(2022, 1, 1)], pa.date32()),
            "changed": pa.array([datetime(2024, 1, day, 8, tzinfo=UTC) for day in (1, 2, 3, 4)]),
            "stars": pa.array([1, 2, 3, None], pa.int64()),
            "price": pa.array([0.5, 1.5, None, 2.5], pa.float64()),
            "open": pa.array([True, False, None, True], pa.bool_()),
        }
    )
)


def allowed(*conditions: str) -> list[int]:
    """The passages that meet all conditions."""
    return np.flatnonzero(FIELDS.allowed(conditions)).tolist()


def test_whole_numbers_are_compared_to_the_last_digit() -> None:
    ids = Metadata(pa.table({"id": pa.array([2**60, 2**60 + 1, None], pa.int64())}))
    assert ids.allowed([f"id={2**60 + 1}"]).tolist() == [False, True, False]
    assert ids.allowed(["id>2.5"]).tolist() == [True, True, False]
    assert ids.allowed([f"id<{2**64}"]).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("source=manual", [0, 2]),
        ("source = manual | faq", [0, 1, 2]),
        ("source!=manual", [1, 3]),
        ("source!=manual|faq", [3]),
        ("date>=2023-07-05", [0, 1]),
        ("date=>=2023-07-05", [0, 1]),
        ("source=!=manual", [1, 3]),
        ("stars = < 2.5", [0, 1]),
        ("date<2023-07-05", [3]),
        ("date=2024-01-01", [0]),
        ("date!=2024-01-01", [1, 2, 3]),
        ("changed>2024-01-02T07:59", [1, 2, 3]),
        ("changed>2024-01-02T09:30+01:00", [2, 3]),
        ("changed<=2024-01-03", [0, 1]),
        ("stars>=2", [1, 2]),
        ("stars<2.5", [0, 1]),
        ("price>0.5", [1, 3]),
        ("open=true", [0, 3]),
        ("open!=True", [1, 2]),
    ],
)
def test_conditions(condition: str, rows: list[int]) -> None:
    assert allowed(condition) == rows


def test_all_conditions_are_met_and_none_allows_all() -> None:
    assert allowed("source=manual", "stars>1") == [2]
    assert allowed() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("source", "where.source: is no condition; write FIELD=VALUE"),
        ("sauce=manual", "where.sauce=manual: no field 'sauce' was kept; there are source (text), date (date), "),
        ("source=manul", "where.source=manul: no passage has the value 'manul'; did you mean 'manual'?"),
        ("date>=last year", "where.date>=last year: 'last year' does not fit the field; write a date such as"),
        ("changed<noon", "where.changed<noon: 'noon' does not fit the field; write a time such as"),
        ("stars=many", "where.stars=many: 'many' does not fit the field; write a number"),
        ("price<cheap", "where.price<cheap: 'cheap' does not fit the field; write a number"),
        ("open=maybe", "where.open=maybe: 'maybe' does not fit the field; write true or false"),
    ],
)
def test_a_slip_is_one_line(condition: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        FIELDS.allowed([condition])
    assert str(caught.value).startswith(said)


def test_without_kept_fields_the_way_to_have_them_is_told() -> None:
    with pytest.raises(UserError, match=r"run once more with documents\.keep_fields=\[source\]"):
        Metadata(pa.table({})).allowed(["source=manual"])


def test_boosts() -> None:
    assert FIELDS.factors(["stars=>=2:0.5"]).tolist() == [1, 0.5, 0.5, 1]
    assert FIELDS.factors(["source=manual:2", "stars>=2:0.5"]).tolist() == [2, 0.5, 1, 1]
    newest = FIELDS.factors(["date=180d"])
    assert newest[:2] == pytest.approx([1, 0.5])
    assert newest[2] == newest[3] == pytest.approx(0.5 ** (730 / 180)), "without a date it counts as the oldest"
    ages = [0, 180, 730, 730]
    assert FIELDS.factors(["date=newest"]) == pytest.approx([0.5 ** (age / 455) for age in ages]), (
        "the median age halves"
    )
    assert FIELDS.factors(["changed=1d"]) == pytest.approx([1 / 8, 1 / 4, 1 / 2, 1])
    assert FIELDS.factors(["changed=1w"])[2] == pytest.approx(0.5 ** (1 / 7))
    assert FIELDS.factors([]).tolist() == [1, 1, 1, 1]
    old = FIELDS.log_factors(["date=0.1d", "stars>=2:0.5"])
    assert old == pytest.approx([0, -1801, -7301, -7300]), "too small for a factor"


@pytest.mark.parametrize(
    ("boost", "said"),
    [
        ("date", "boost.date: '' is no half-life; write FIELD=newest"),
        ("date=soon", "boost.date=soon: 'soon' is no half-life; write FIELD=newest, FIELD=HALF_LIFE"),
        ("date=0d", "boost.date=0d: '0d' is no half-life"),
        ("sauce=newest", "boost.sauce=newest: no field 'sauce' was kept; there are source (text)"),
        ("source=180d", "boost.source=180d: field 'source' holds no dates"),
        ("source=faq:much", "boost.source=faq:much: 'much' is no factor"),
        ("source=faq:-1", "boost.source=faq:-1: '-1' is no factor"),
    ],
)
def test_a_boost_that_cannot_be_meant_is_refused(boost: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        FIELDS.factors([boost])
    assert str(caught.value).startswith(said)


def test_a_system_with_filters_and_boosts() -> None:
    ids = ["a", "b", "c", "d"]
    words = Bm25System(Bm25Index(ids, ["oven", "oven heat", "oven heat heat", "heat"]))
    ranks = id_ranks(ids)
    assert with_metadata(words, FIELDS, ranks) is words
    narrow = with_metadata(words, FIELDS, ranks, where=["source=manual"])
    assert narrow.prepare(["heat"])(4)[0].tolist() == [[2, -1]]
    found = FoundSystem("x", (np.array([[0, 1, 2]]), np.array([[3, 2.9, 1]], np.float32)))
    assert with_metadata(found, FIELDS, ranks, boost=["source=faq:2"]).prepare([""])(1)[0].tolist() == [[1]]
    with pytest.raises(UserError, match=r"where.stars>2 where.source=faq: no passage meets this"):
        with_metadata(words, FIELDS, ranks, where=["stars>2", "source=faq"])


def test_an_unknown_value_among_many_is_answered_with_some() -> None:
    modules = pa.array([f"module{number:02}" for number in range(30)], pa.large_string())
    many = Metadata(pa.table({"module": modules}))
    with pytest.raises(UserError, match=r"write one of 30, such as 'module00', .*'module04'$"):
        many.allowed(["module=zzz"])

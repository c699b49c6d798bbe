"""Words follow figures: nothing is called better or worse when its interval includes zero."""

from __future__ import annotations

from typing import Any

import pytest

from eval.wording import figure, gigabytes, headline, share, shown_results, signed, with_interval


def report_with(low: float, high: float, *, queries: int = 140, judged: bool = True) -> dict[str, Any]:
    """A report whose difference has this interval."""
    levels = {"base": {"ndcg@10": 0.5}, "tuned": {"ndcg@10": 0.52}}
    figures = {**levels, "queries": queries, "difference": {"ndcg@10": {"mean": (low + high) / 2, "ci95": [low, high]}}}
    return {"retrieval": {"cacm": figures} if judged else {}, "held_out": figures | {"queries": queries}}


@pytest.mark.parametrize(
    ("low", "high", "trend", "title"),
    [
        (0.01, 0.03, "better", "Tuning made search better"),
        (-0.03, -0.01, "worse", "Tuning made search worse"),
        (-0.01, 0.03, "unclear", "No clear difference"),
        (0.0, 0.03, "unclear", "No clear difference"),
    ],
)
def test_the_headline_follows_the_interval(low: float, high: float, trend: str, title: str) -> None:
    found = headline(report_with(low, high))
    assert (found.trend, found.title) == (trend, title)
    assert "140 judged questions of cacm" in found.sentence
    assert ("may be chance" in found.sentence) == (trend == "unclear")


def test_without_a_benchmark_the_headline_is_about_held_out_queries() -> None:
    report = report_with(0.01, 0.02, judged=False)
    assert shown_results(report)[0] == "held_out"
    assert "140 synthetic queries of held-out documents" in headline(report).sentence
    assert headline(report_with(0, 0, queries=0)).title == "Nothing to measure on"


def test_numbers_for_people() -> None:
    assert [signed(value) for value in (0.0164, -0.004, 0.0001, -0.0001)] == ["+0.016", "\u22120.004", "0.000", "0.000"]
    assert with_interval({"mean": 0.02, "ci95": [-0.01, 0.05]}) == "+0.020 [\u22120.010, +0.050]"
    assert [share(*pair) for pair in ((1, 2), (1, 800), (798, 800), (5, 5), (0, 5), (0, 0))] == [
        "50 %",
        "0.1 %",
        "99.8 %",
        "100 %",
        "0 %",
        "0 %",
    ]
    assert [figure(value) for value in (None, 1234, 1234.56)] == ["\u2013", "1,234", "1,234.6"]
    assert gigabytes(3_400_000_000) == "3.4 GB"

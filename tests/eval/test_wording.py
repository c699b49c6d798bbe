"""Words follow figures: nothing is called better or worse when its interval includes zero."""

from __future__ import annotations

from typing import Any

import pytest

from eval.wording import cost_sentence, figure, gigabytes, headline, money, share, shown_results, signed, with_interval


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


def test_cost_is_said_with_what_is_known() -> None:
    known = {"cpu_seconds": 9000.0, "gpu_seconds": 7200.0, "price": 5.0, "price_per_1000_kept": 0.4}
    text = cost_sentence({**known, "tokens_per_kept": 640.4})
    assert text == (
        "The engines worked for 2.0 GPU-hours: a price of 5.00, 0.40 per 1,000 kept examples. "
        "A kept example took 640 tokens."
    )
    bare = {"cpu_seconds": 90.2, "gpu_seconds": 0.0, "price": None, "price_per_1000_kept": None}
    assert cost_sentence({**bare, "tokens_per_kept": None}) == "The engines worked for 90 CPU-seconds."
    unknown = {**bare, "cpu_seconds": None, "gpu_seconds": None, "tokens_per_kept": 3.0}
    assert cost_sentence(unknown) == "How long the engines worked is not known."


def test_small_amounts_of_money_keep_their_digits() -> None:
    assert [money(amount) for amount in (0.0, 0.000184, 0.25, 1234.5)] == ["0.00", "0.000184", "0.25", "1,234.50"]

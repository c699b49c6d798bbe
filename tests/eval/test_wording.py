"""Words follow figures: nothing is called better or worse when its interval includes zero."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eval.cost import Amounts, Cost
from eval.report import Report
from eval.retrieval.corpus import SYSTEMS
from eval.retrieval.metrics import METRICS
from eval.significance import DifferenceFigures
from eval.wording import (
    METRIC_NAMES,
    SYSTEM_NAMES,
    amount_of_bytes,
    cost_sentence,
    figure,
    gigabytes,
    headline,
    money,
    questions,
    share,
    shown_results,
    signed,
    with_interval,
)
from tests.support.small_run import small_report

UNKNOWN = Amounts(None, None, None)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the small run."""
    return small_report(tmp_path_factory.mktemp("run"))[0]


def report_with(report: Report, low: float, high: float, *, queries: int = 140, judged: bool = True) -> Report:
    """A report whose difference has this interval."""
    difference = {"ndcg@10": DifferenceFigures((low + high) / 2, (low, high), 0.5)}
    base, tuned = {"ndcg@10": 0.5}, {"ndcg@10": 0.52}
    figures = replace(report.held_out, base=base, tuned=tuned, difference=difference, queries=queries)
    of_people = replace(figures, cluster="query")
    return replace(report, retrieval={"cacm": of_people} if judged else {}, held_out=figures)


def test_every_system_and_metric_has_a_name_in_the_order_of_the_tables() -> None:
    assert tuple(SYSTEM_NAMES) == SYSTEMS
    assert tuple(METRIC_NAMES) == METRICS


def test_judged_questions_are_told_by_their_kind_and_not_by_the_name_of_their_folder(small: Report) -> None:
    report = report_with(small, 0.01, 0.03)
    odd = replace(report, retrieval={"held_out": report.retrieval["cacm"]})
    assert questions(odd) == "140 judged questions of held_out"
    assert "synthetic queries of held-out documents" in questions(report_with(small, 0.01, 0.03, judged=False))


@pytest.mark.parametrize(
    ("low", "high", "trend", "title"),
    [
        (0.01, 0.03, "better", "Tuning made search better"),
        (-0.03, -0.01, "worse", "Tuning made search worse"),
        (-0.01, 0.03, "unclear", "No clear difference"),
        (0.0, 0.03, "unclear", "No clear difference"),
    ],
)
def test_the_headline_follows_the_interval(small: Report, low: float, high: float, trend: str, title: str) -> None:
    shown = headline(report_with(small, low, high))
    assert (shown.trend, shown.title) == (trend, title)
    assert "140 judged questions of cacm" in shown.sentence
    assert "from 0.500 to 0.520" in shown.sentence
    assert ("may be chance" in shown.sentence) == (trend == "unclear")
    assert "by document" not in shown.sentence


def test_without_a_benchmark_the_headline_is_about_held_out_queries(small: Report) -> None:
    report = report_with(small, 0.01, 0.02, judged=False)
    assert shown_results(report) == ("held_out", report.held_out)
    assert "140 whole synthetic queries of held-out documents" in headline(report).sentence
    assert "With 95 % confidence by document the difference lies" in headline(report).sentence
    assert "95 % interval by document, " in headline(report_with(small, -0.01, 0.02, judged=False)).sentence
    assert headline(report_with(small, 0, 0, queries=0)).title == "Nothing to measure on"


def test_numbers_for_people() -> None:
    assert [signed(value) for value in (0.0164, -0.004, 0.0001, -0.0001)] == ["+0.016", "\u22120.004", "0.000", "0.000"]
    assert with_interval(DifferenceFigures(0.02, (-0.01, 0.05), 0.3)) == "+0.020 [\u22120.010, +0.050]"
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
    sizes = [amount_of_bytes(amount) for amount in (12, 1_500, 999_900_000, 3.4e9, 1.2e12)]
    assert sizes == ["12 B", "1.5 kB", "1000 MB", "3.4 GB", "1200 GB"]


def test_cost_is_said_with_what_is_known() -> None:
    known = Cost(
        forecast=UNKNOWN,
        real=UNKNOWN,
        cpu_seconds=9000.0,
        gpu_seconds=7200.0,
        price=5.0,
        kept=12_500,
        tokens_per_kept=640.4,
        price_per_1000_kept=0.4,
    )
    assert cost_sentence(known) == (
        "The engines worked for 2.0 GPU-hours: a price of 5.00, 0.40 per 1,000 kept examples. "
        "A kept example took 640 tokens."
    )
    bare = Cost(UNKNOWN, UNKNOWN, 90.2, 0.0, price=None, kept=0, tokens_per_kept=None, price_per_1000_kept=None)
    assert cost_sentence(bare) == "The engines worked for 90 CPU-seconds."
    unknown = replace(bare, cpu_seconds=None, gpu_seconds=None, tokens_per_kept=3.0)
    assert cost_sentence(unknown) == "How long the engines worked is not known."


def test_small_amounts_of_money_keep_their_digits() -> None:
    assert [money(amount) for amount in (0.0, 0.000184, 0.25, 1234.5)] == ["0.00", "0.000184", "0.25", "1,234.50"]

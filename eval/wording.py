"""Puts figures into plain words, the same on the page and in the terminal; what to search with is in `advice.py`.

In: a Report, or one of its parts. Out: short strings. A difference is never called better or worse when its interval
includes zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from eval.cost import Cost
from eval.report import HELD_OUT, Choice, Report
from eval.retrieval.corpus import with_words
from eval.retrieval.figures import RetrievalFigures
from eval.retrieval.metrics import HEADLINE
from eval.significance import DifferenceFigures

SYSTEM_NAMES = {"bm25": "BM25", "base": "base", "tuned": "tuned"}
"""The names that people read in place of `systems.SYSTEMS`."""
ALL_SYSTEM_NAMES = SYSTEM_NAMES | {with_words(model): f"{model} + words" for model in ("base", "tuned")}
"""The same, with the systems that search by words and by meaning."""
FEW_DOCUMENTS = 30
"""With queries of fewer documents than this, an interval says little, and next to nothing when it includes zero."""
METRIC_NAMES = {
    "ndcg@10": "nDCG@10",
    "mrr@10": "MRR@10",
    "recall@100": "Recall@100",
    "hit@1": "hit@1",
    "hit@3": "hit@3",
    "hit@10": "hit@10",
    "map@100": "MAP@100",
}
"""The names that people read in place of `metrics.METRICS`."""
MADE_UP = (
    "The samples are made up: samples=fake computes them without a model, so that no figure here says anything about a "
    "model or a collection."
)
"""What stands wherever the figures of a run with the fake generator do."""


@dataclass(frozen=True)
class Headline:
    """The report in a title and a sentence or two."""

    title: str
    sentence: str
    trend: str
    """Direction of the difference: better, worse or unclear."""


def shown_results(report: Report) -> tuple[str, RetrievalFigures]:
    """Returns name and figures of what headlines are about: the benchmark, or the held-out queries without one."""
    return next(iter(report.retrieval.items()), (HELD_OUT, report.held_out))


def questions(report: Report) -> str:
    """Says what the headline rests on, such as `140 judged questions of python_docs`.

    Synthetic queries are called whole where the choice goes by them and by the same ones with fewer words.
    """
    name, figures = shown_results(report)
    if not report.retrieval:
        whole = "whole " if report.choice and report.choice.tuning and lacks_words(report.choice) else ""
        return f"{figures.queries:,} {whole}synthetic queries of held-out documents"
    return f"{figures.queries:,} judged questions of {name}"


def lacks_words(choice: Choice) -> bool:
    """Tells whether a choice goes by queries that on average lack words which they share with their documents."""
    return round(100 * choice.lost) > 0


def headline(report: Report) -> Headline:
    """Says whether tuning helped, on what, and how sure that is."""
    _, figures = shown_results(report)
    if not figures.queries:
        return Headline("Nothing to measure on", "There are neither judged questions nor held-out queries.", "unclear")
    difference = figures.difference[HEADLINE]
    trend = trend_of(difference)
    before, after = f"{figures.base[HEADLINE]:.3f}", f"{figures.tuned[HEADLINE]:.3f}"
    low, high, by = signed(difference.low), signed(difference.high), by_cluster(figures)
    moved = {"better": "rose", "worse": "fell", "unclear": "went"}[trend]
    mean = signed(difference.mean)
    start = f"On {questions(report)}, nDCG@10 {moved} from {before} to {after}, a difference of {mean}."
    sure = (
        f"The 95 % interval{by}, {low} to {high}, includes zero, so this may be chance."
        if trend == "unclear"
        else f"With 95 % confidence{by} the difference lies between {low} and {high}."
    )
    titles = {
        "better": "Tuning made search better",
        "worse": "Tuning made search worse",
        "unclear": "No clear difference",
    }
    return Headline(titles[trend], f"{start} {sure}", trend)


def by_cluster(figures: RetrievalFigures) -> str:
    """Returns the words behind `interval`: ` by document`, or nothing where single queries were drawn."""
    return " by document" if figures.cluster == "document" else ""


def trend_of(difference: DifferenceFigures) -> str:
    """Returns the word better or worse where the interval leaves zero out, else the word unclear."""
    return "better" if difference.low > 0 else "worse" if difference.high < 0 else "unclear"


def signed(value: float, digits: int = 3) -> str:
    """Writes a difference with its sign, such as `+0.016` or `0.000`; below zero with a real minus sign (U+2212)."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\u2212")


def with_interval(difference: DifferenceFigures) -> str:
    """Writes a difference and its interval, such as `+0.016 [+0.005, +0.028]`."""
    return f"{signed(difference.mean)} [{signed(difference.low)}, {signed(difference.high)}]"


def share(part: float, whole: float) -> str:
    """Writes a part in percent, such as `43 %`; with a digit more below 10 % and where it would round to 100 %."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if 0 < percent < 10 or 99 < percent < 100 else f"{percent:.0f} %"


def figure(value: float | None, digits: int = 1) -> str:
    """Writes a number with thousands separators, or a dash for what no step reported."""
    if value is None:
        return "\u2013"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def cost_sentence(cost: Cost) -> str:
    """Says how long the engines worked, what that cost, and what a kept example took of it."""
    kind, seconds = ("GPU", cost.gpu_seconds) if cost.gpu_seconds else ("CPU", cost.cpu_seconds)
    if seconds is None:
        return "How long the engines worked is not known."
    amount, unit = (f"{seconds / 3600:,.1f}", "hours") if seconds >= 3600 else (f"{seconds:,.0f}", "seconds")
    price = f": a price of {money(cost.price)}" if cost.price is not None else ""
    if cost.price_per_1000_kept is not None:
        price += f", {money(cost.price_per_1000_kept)} per 1,000 kept examples"
    each = f" A kept example took {figure(cost.tokens_per_kept, 0)} tokens." if cost.tokens_per_kept else ""
    return f"The engines worked for {amount} {kind}-{unit}{price}.{each}"


def money(amount: float) -> str:
    """Writes an amount with two decimals, or with three significant digits below 0.1."""
    return f"{amount:,.2f}" if amount >= 0.1 or not amount else f"{amount:.3g}"


def gigabytes(num_bytes: int) -> str:
    """Writes an amount of memory in units of 10^9 bytes, such as `3.4 GB`."""
    return f"{num_bytes / 1e9:.1f} GB"


def milliseconds(value: float) -> str:
    """Writes a latency, such as `5.2 ms`, or `1.2 s` where it is a second or more."""
    if value >= 1000:
        return f"{value / 1000:.3g} s"
    return f"{value:.0f} ms" if value >= 100 else f"{value:.2g} ms" if value < 1 else f"{value:.3g} ms"


def amount_of_bytes(num_bytes: float) -> str:
    """Writes the size of an index in the unit that suits it, such as `3.4 MB`; units are powers of 1,000."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= size:
            amount = num_bytes / size
            return f"{amount:.0f} {unit}" if amount >= 100 else f"{amount:.3g} {unit}"
    return f"{num_bytes:.0f} B"

"""Puts figures into plain words, the same on the page, in the terminal and in the model card.

In: a Report, or one of its parts. Out: short strings. A difference is never called better or worse when its interval
includes zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from eval.cost import Cost
from eval.report import HELD_OUT, Choice, Recommendation, Report, SystemFigures
from eval.retrieval.figures import RetrievalFigures
from eval.retrieval.metrics import HEADLINE
from eval.significance import DifferenceFigures
from eval.systems import describe

SYSTEM_NAMES = {"bm25": "BM25", "base": "base", "tuned": "tuned"}
"""The names that people read in place of `systems.SYSTEMS`."""
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
    """Says what the headline rests on, such as `140 judged questions of python_docs`."""
    name, figures = shown_results(report)
    if name == HELD_OUT:
        return f"{figures.queries:,} synthetic queries of held-out documents"
    return f"{figures.queries:,} judged questions of {name}"


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


def advice(report: Report) -> str:
    """Says in a few words what to search with, such as `Search with base + words, weight of words 0.30`."""
    if report.choice is None:
        return f"Use the {report.decision.model} model"
    return f"Search with {chosen_system(report.choice)}"


def advice_with_reason(report: Report) -> str:
    """Says what to search with, and what it rests on, in two lines of a terminal; without a choice, the decision."""
    choice = report.choice
    if choice is None:
        return f"{advice(report)}. {report.decision.why}"
    measured = measured_sentence(report)
    return f"{advice(report)}{_about_tuned(choice)}.{f' {measured}' if measured else ''}"


def chosen_system(choice: Choice) -> str:
    """Names the chosen system, with the weight of words where it searches by both."""
    weight = f", weight of words {choice.weight:.2f}" if 0 < choice.weight < 1 else ""
    return f"{describe(choice.system)}{weight}"


def choice_sentence(choice: Choice) -> str:
    """Says what to search with, what it gains, and what that rests on."""
    return f"{chosen_system(choice)}: {choice_reason(choice)}"


def choice_reason(choice: Choice) -> str:
    """Says what the chosen system gains, and what that rests on."""
    gains = []
    if choice.weight < 1:
        gains.append(f"{with_interval(choice.over_words)} over BM25 alone")
    if choice.weight > 0:
        gains.append(f"{with_interval(choice.over_meaning)} over base alone")
    judged = f" and on {choice.judged:,} judged ones" if choice.judged else ""
    return (
        f"nDCG@10 {', '.join(gains)}{_about_tuned(choice)}. This rests on "
        f"{choice.synthetic:,} synthetic queries of {choice.documents:,} documents, taken to lack "
        f"{100 * choice.lost:.0f} % of the words they share, and on {choice.real:,} real queries without "
        f"judgements{judged}."
    )


def tuning_sentence(choice: Choice) -> str:
    """Says what the tuned model adds to the chosen way to search; "" where that was not measured."""
    if choice.tuning is None:
        return ""
    beside = {0.0: "Without words", 1.0: "Where words alone are searched"}.get(
        choice.weight, f"With words at weight {choice.weight:.2f}"
    )
    adds = f"the tuned model adds {with_interval(choice.tuning)} to the base"
    return f"{beside}, {adds} on synthetic queries of held-out documents that lack as many words, {_then(choice)}."


def harm_title(report: Report) -> str:
    """Says what the decision between the two models alone came to."""
    if report.decision.model == "tuned":
        return "Alone, the tuned model passes the check for harm"
    return "Alone, the tuned model does not pass the check for harm"


def _about_tuned(choice: Choice) -> str:
    return f"; the tuned model adds {with_interval(choice.tuning)}, {_then(choice)}" if choice.tuning else ""


def _then(choice: Choice) -> str:
    assert choice.tuning, "there is something to follow from"
    if choice.model == "tuned":
        return "which is why it is chosen"
    return "but harm is not ruled out, so the base stays" if choice.tuning.low > 0 else "so the base stays"


def not_known(recommendation: Recommendation) -> list[str]:
    """Says in sentences what the choice could not see."""
    choice = recommendation.choice
    if choice is None:
        count = f"{recommendation.synthetic:,} synthetic queries of fewer than five documents"
        return [f"How to search is not chosen: {count} are too few to compare words, meaning and both."]
    sentences = []
    if choice.documents < FEW_DOCUMENTS:
        sentences.append(f"Queries of only {choice.documents:,} documents took part, so the choice says little.")
    if not choice.real:
        sentences.append(
            "No real query was seen, so how many of a document's words people leave out is not known: queries with "
            "more and with fewer of them count alike."
        )
    if choice.tuning is None:
        sentences.append("No document was held out, so what tuning adds to words is not known, and the base stays.")
    return sentences


def measured_sentence(report: Report) -> str:
    """Says what the chosen system reaches, and which systems are significantly better than it; "" without figures."""
    if not report.choice or not report.recommendation or not report.recommendation.systems:
        return ""
    systems, name = report.recommendation.systems, describe(report.choice.system)
    better = {
        other: f"{describe(other)} ({with_interval(figures.to_chosen)})"
        for other, figures in systems.items()
        if figures.to_chosen and figures.to_chosen.low > 0
    }
    start = f"On {questions(report)}, {name} reaches an nDCG@10 of {systems[report.choice.system].mean:.3f}"
    if better:
        best = describe(max(better, key=lambda other: systems[other].mean))
        return (
            f"{start}; significantly better: {', '.join(better.values())}. The choice missed that: where people ask as "
            f"these queries do, search with {best}."
        )
    return f"{start}; no other system is significantly better."


def mean_with_interval(figures: SystemFigures) -> str:
    """Writes a mean and its interval, such as `0.569 [0.521, 0.617]`."""
    low, high = figures.ci95
    return f"{figures.mean:.3f} [{low:.3f}, {high:.3f}]"


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

"""Says how to search, and what that rests on: the same words on the page, in the terminal and wherever else.

In: a Report, or its Choice. Out: short strings. There is one piece of advice, that of the choice; where none was made,
that of the decision. What was measured is told beside it as figures, and never as a second piece of advice. A system is
called better than another one only where the interval of their difference leaves zero out, and where the difference is
significant after Holm's correction for all the systems that are compared.
"""

from __future__ import annotations

import math

from engine.search.cross_encoder import TRAINED
from eval.report import Choice, Recommendation, Report, RerankerGain, SystemFigures
from eval.systems import describe, reranked_name
from eval.wording import (
    ALL_SYSTEM_NAMES,
    FEW_DOCUMENTS,
    SYSTEM_NAMES,
    lacks_words,
    milliseconds,
    questions,
    shown_results,
    signed,
    trend_of,
    with_interval,
)

SIGNIFICANT = 0.05
"""Differences with a smaller p count as significant."""
WITH_WORDS = tuple(name for name in ALL_SYSTEM_NAMES if name not in SYSTEM_NAMES)
"""The systems that search by words and by meaning, at the weight that a report chose."""
DAGGER = "\u2020"
"""The mark of a cross-fitted figure."""
_MOST_TIMES = 50
"""A gain that would need more queries than so many times those that there are is not spoken of."""


def system_name(name: str) -> str:
    """Returns what people read in place of the name of a system."""
    return describe(name)


def advice(report: Report) -> str:
    """Says in a few words what to search with, such as `Search with base + words, weight of words 0.30`."""
    if report.choice is None:
        return f"Use the {report.decision.model} model"
    gain = _reranker(report)
    reranked = f", its first {gain.depth} passages reranked" if gain and gain.is_recommended else ""
    return f"Search with {chosen_system(report.choice)}{reranked}"


def advice_with_reason(report: Report) -> str:
    """Says what to search with, and what it rests on, in a few lines of a terminal; without a choice, the decision.

    What the systems reach is told with their table (`measured_sentence`), and what to beware of with `warning`.
    """
    choice = report.choice
    if choice is None:
        return f"{advice(report)}. {decision_reason(report)}"
    return " ".join(filter(None, [f"{advice(report)} ({_chosen_on(choice)}).", tuning_sentence(choice)]))


def chosen_system(choice: Choice) -> str:
    """Names the chosen system, with the weight of words where it searches by both."""
    weight = f", weight of words {choice.weight:.2f}" if 0 < choice.weight < 1 else ""
    return f"{system_name(choice.system)}{weight}"


def choice_sentence(choice: Choice) -> str:
    """Says what to search with, what that rests on, and what it gains."""
    return f"{chosen_system(choice)}. {choice_reason(choice)}"


def choice_reason(choice: Choice) -> str:
    """Says which queries the chosen system was chosen on, and on which it gains how much."""
    gains = []
    if choice.weight < 1:
        gains.append(f"{with_interval(choice.over_words)} over BM25 alone")
    if choice.weight > 0:
        gains.append(f"{with_interval(choice.over_meaning)} over base alone")
    real = f", as the texts of {choice.real:,} real queries say" if choice.real else ""
    these = "On the judged ones, each scored by a choice without it" if choice.judged else "On these"
    return (
        f"{_capital(_chosen_on(choice))}, which are taken to lack on average {100 * choice.lost:.0f} % of the words "
        f"they share with their documents{real}. {these}: nDCG@10 {', '.join(gains)}."
    )


def tuning_sentence(choice: Choice) -> str:
    """Says what the tuned model adds to the chosen way to search; "" where that was not measured."""
    if choice.tuning is None:
        return ""
    adds = f"the tuned model adds {with_interval(choice.tuning)} to the base"
    return f"{_capital(searched_by(choice))}, {adds} on {tuning_queries(choice)}, {_then(choice)}."


def searched_by(choice: Choice) -> str:
    """Says how both models search where the choice compares them."""
    if choice.weight == 1:
        return "where words alone are searched"
    return f"with words at weight {choice.weight:.2f}" if choice.weight else "without words"


def tuning_queries(choice: Choice) -> str:
    """Names the queries on which the choice compares both models: whole ones and the same with fewer words."""
    count = f"{choice.held_out:,} " if choice.held_out else ""
    share = f"{100 * choice.lost:.0f} % of the words that they share with these"
    lack = f", on average without {share}" if lacks_words(choice) else ""
    judged = f", and on {choice.judged:,} judged ones" if choice.judged else ""
    return f"{count}synthetic queries of held-out documents{lack}{judged}"


def goes_by_others(report: Report) -> bool:
    """Tells whether the choice compares both models on other queries than the tables do, so that names differ too."""
    choice = report.choice
    if not choice or not choice.tuning:
        return False
    return bool(report.retrieval or choice.judged or lacks_words(choice))


def two_sets(report: Report) -> str:
    """Says of a table of what tuning does that the choice goes by other queries; "" where it goes by these or none."""
    choice = report.choice
    if not choice or not goes_by_others(report):
        return ""
    assert choice.tuning, "it goes by a difference"
    return (
        f"This is of the models alone, on {questions(report)}. The choice goes by tuned \u2212 base "
        f"{searched_by(choice)}, on {tuning_queries(choice)}: {with_interval(choice.tuning)} in nDCG@10."
    )


def reranker_sentence(report: Report) -> str:
    """Says what the run's own cross-encoder adds to the chosen system, and what follows; "" where none was measured."""
    gain = _reranker(report)
    if not gain or not report.choice:
        return ""
    first = report.choice.system
    before, after = (report.latency.get(name) for name in (first, reranked_name(first, gain.depth, TRAINED)))
    time = ""
    if before and after:
        time = f", at {milliseconds(after.p50_ms)} a query in place of {milliseconds(before.p50_ms)}"
    then = "which is why it is recommended" if gain.is_recommended else "so it is left out"
    return (
        f"Reranking its first {gain.depth} passages by the cross-encoder that was trained adds "
        f"{with_interval(gain.gain)} on {questions(report)}{time}, {then}. {decided_on_these(report)}."
    )


def decided_on_these(report: Report) -> str:
    """Says that whether to rerank is no cross-fitted choice, as the search behind it is; "" where nothing reranks."""
    gain = _reranker(report)
    if not gain:
        return ""
    flattery = ", which flatters what it adds" if gain.is_recommended else ""
    return f"Whether to rerank was decided on these same queries{flattery}"


def harm_title(report: Report) -> str:
    """Says what the check for harm came to, of the models alone and with words."""
    decision = report.decision
    alone = (decision.model_alone or decision.model) == "tuned"
    if decision.fused is None:
        return f"Alone, the tuned model {_passes(alone)} the check for harm"
    fused = decision.fused.is_harmless
    if alone == fused:
        return f"The tuned model {_passes(alone)} the check for harm, alone {'and' if alone else 'or'} with words"
    return (
        f"Alone, the tuned model {_passes(alone)} the check for harm; with words it {'does' if fused else 'does not'}"
    )


def decision_reason(report: Report) -> str:
    """Says what the decision rests on, with the figures of the models alone and with words."""
    fused = report.decision.fused
    return f"{report.decision.why} {fused.why}" if fused else report.decision.why


def warning(choice: Choice) -> str:
    """Warns where nothing but the generator's queries, or no judgement, speaks for the choice; "" where some does."""
    if choice.judged:
        return ""
    if choice.real:
        return (
            "No judged query took part: the choice rests on queries of the generator, and on how far words and "
            "meaning agree on real ones."
        )
    return (
        "The choice rests on the generator's own queries alone. How many of a document's words people leave "
        "out is not known, so queries with more and with fewer of them count alike."
    )


def not_known(recommendation: Recommendation) -> list[str]:
    """Says in sentences what the choice could not see."""
    choice = recommendation.choice
    if choice is None:
        count = f"{recommendation.synthetic:,} synthetic queries of fewer than five documents"
        return [f"How to search is not chosen: {count} are too few to compare words, meaning and both."]
    sentences = [warning(choice)] if warning(choice) else []
    if choice.documents < FEW_DOCUMENTS and choice.judged < FEW_DOCUMENTS:
        sentences.append(f"Queries of only {choice.documents:,} documents took part, so the choice says little.")
    if choice.tuning is None:
        sentences.append("No document was held out, so what tuning adds to words is not known, and the base stays.")
    return sentences


def measured_sentence(report: Report) -> str:
    """Says what the chosen system reaches, and which systems are significantly better than it; "" without figures."""
    if not report.choice or not report.recommendation or not report.recommendation.systems:
        return ""
    systems, name = report.recommendation.systems, system_name(report.choice.system)
    better = [
        f"{system_name(other)} ({with_interval(figures.to_chosen)})"
        for other, figures in systems.items()
        if figures.to_chosen and trend_to_chosen(figures) == "better"
    ]
    start = f"On {questions(report)}, {name} reaches an nDCG@10 of {systems[report.choice.system].mean:.3f}"
    if not better and (count := shown_results(report)[1].queries) < FEW_DOCUMENTS:
        return f"{start}. So few queries ({count}) tell systems apart by chance; the choice rests on more of them."
    if not better:
        return f"{start}; no other system is significantly better."
    rest = "other queries besides" if report.choice.judged else "other queries"
    reranking = ", but whether to rerank was decided on these" if _reranker(report) else ""
    return f"{start}; significantly better on these: {', '.join(better)}. The choice rests on {rest}{reranking}."


def crossfit_sentence(report: Report) -> str:
    """Says how the figures of what was chosen are kept honest; "" where they are those of a fixed system."""
    known = report.recommendation
    if not known or not known.choice or not known.folds or known.seen is None:
        return ""
    each = "document" if not report.retrieval else "question"
    honest = known.systems.get(known.choice.system)
    flattery = ", which flatters it" if honest and known.seen > honest.mean else ""
    reranking = f" {decided_on_these(report)}." if known.reranker else ""
    return (
        f"{DAGGER} Cross-fitted: the choice was made {known.folds} times, each time without a part of the {each}s, "
        f"and each {each} is scored by a choice that did not see it. Chosen by all of them, "
        f"{system_name(known.choice.system)} has {known.seen:.3f}{flattery}.{reranking}"
    )


def is_crossfitted(recommendation: Recommendation, name: str) -> bool:
    """Tells whether the figures of a system are cross-fitted: the chosen one, reranked or not, and those with words."""
    choice, figures = recommendation.choice, recommendation.systems.get(name)
    if not choice or not recommendation.folds:
        return False
    is_told = bool(figures and figures.seen is not None)
    return is_told or name in {choice.system, *WITH_WORDS}


def weight_of_words(recommendation: Recommendation, name: str) -> float | None:
    """Returns the weight of words at which a system stands in a report; None where no weight was chosen for it.

    Args:
        recommendation: what the report says of all systems.
        name: the system; one that reranks has the weight of what it reranks.
    """
    if name.partition("@")[0] not in WITH_WORDS or recommendation.choice is None:
        return None
    return recommendation.choice.weight if recommendation.weight is None else recommendation.weight


def trend_to_chosen(figures: SystemFigures) -> str:
    """Returns the word better or worse where a system surely differs from the chosen one, else the word unclear."""
    if figures.to_chosen is None or (figures.p_holm is not None and figures.p_holm >= SIGNIFICANT):
        return "unclear"
    return trend_of(figures.to_chosen)


def mean_with_interval(figures: SystemFigures) -> str:
    """Writes a mean and its interval, such as `0.569 [0.521, 0.617]`."""
    low, high = figures.ci95
    return f"{figures.mean:.3f} [{low:.3f}, {high:.3f}]"


def p_value(p: float | None) -> str:
    """Writes a p value, such as `0.03` or `< 0.001`; "" where there is none."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _reranker(report: Report) -> RerankerGain | None:
    return report.recommendation.reranker if report.recommendation else None


def _chosen_on(choice: Choice) -> str:
    judged = f"{choice.judged:,} judged queries and on " if choice.judged else ""
    return f"chosen on {judged}{choice.synthetic:,} synthetic queries of {choice.documents:,} documents"


def _passes(is_harmless: bool) -> str:
    return "passes" if is_harmless else "does not pass"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _then(choice: Choice) -> str:
    tuning = choice.tuning
    assert tuning, "there is something to follow from"
    if choice.model == "tuned":
        return "which is why it is chosen"
    if tuning.low > 0:
        return "but harm is not ruled out, so the base stays"
    times = math.ceil(((tuning.mean - tuning.low) / tuning.mean) ** 2) if signed(tuning.mean).startswith("+") else 0
    if not 1 < times <= _MOST_TIMES:
        return "so the base stays"
    return f"so the base stays unless about {times} times as many queries confirm it"

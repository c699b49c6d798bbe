"""There is one piece of advice; what it rests on, and what was measured beside it, follow the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eval.advice import (
    advice,
    advice_with_reason,
    chosen_system,
    crossfit_sentence,
    goes_by_others,
    harm_title,
    is_crossfitted,
    measured_sentence,
    not_known,
    p_value,
    reranker_sentence,
    system_name,
    trend_to_chosen,
    tuning_queries,
    tuning_sentence,
    two_sets,
    warning,
    weight_of_words,
)
from eval.report import Recommendation, Report, RerankerGain, SystemFigures
from eval.retrieval.latency import Latency, Percentiles
from eval.significance import DifferenceFigures
from eval.wording import questions, with_interval
from tests.support.small_run import small_report


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the small run."""
    return small_report(tmp_path_factory.mktemp("run"))[0]


def compared(low: float, high: float, p_holm: float | None) -> SystemFigures:
    """A system whose difference to the chosen one has this interval and this p."""
    return SystemFigures(0.6, (0.5, 0.7), DifferenceFigures((low + high) / 2, (low, high), 0.02), p_holm)


def test_one_voice_says_what_to_search_with(small: Report) -> None:
    assert small.recommendation
    assert small.choice
    assert advice(small) == "Search with base + words, weight of words 0.30"
    assert small.model == "base" != small.decision.model, "the encoder to use is that of the chosen system"
    assert harm_title(small) == "The tuned model passes the check for harm, alone and with words"
    alone = replace(small.choice, weight=0.0)
    assert chosen_system(alone) == "base"
    assert chosen_system(replace(alone, weight=1.0)) == "BM25"
    assert tuning_sentence(alone).startswith("Without words, the tuned model adds +0.006")
    assert tuning_sentence(replace(alone, tuning=None)) == ""
    unchosen = replace(small, recommendation=None)
    assert advice(unchosen) == f"Use the {small.decision.model} model"
    assert unchosen.model == small.decision.model
    assert small.decision.fused
    why = f"{small.decision.why} {small.decision.fused.why}"
    assert advice_with_reason(unchosen) == f"{advice(unchosen)}. {why}"


def test_queries_of_the_choice_are_told_from_those_of_the_tables(small: Report) -> None:
    """Two figures of what tuning adds, measured on other queries: each is named where its figure stands."""
    assert small.choice
    assert small.recommendation
    on_log = replace(small.choice, held_out=8)
    report = replace(small, retrieval={}, recommendation=replace(small.recommendation, choice=on_log))
    assert questions(report) == "8 whole synthetic queries of held-out documents"
    share = "56 % of the words that they share with these"
    lacking = f"8 synthetic queries of held-out documents, on average without {share}"
    assert f"to the base on {lacking}, so the base stays" in tuning_sentence(on_log)
    assert tuning_sentence(on_log) in advice_with_reason(report)
    assert two_sets(report) == (
        f"This is of the models alone, on {questions(report)}. The choice goes by tuned \u2212 base with words at "
        f"weight 0.30, on {lacking}: +0.006 [\u22120.002, +0.014] in nDCG@10."
    )
    assert tuning_queries(replace(on_log, judged=5)).endswith("share with these, and on 5 judged ones")
    whole = replace(on_log, lost=0.0)
    old = replace(whole, held_out=0)  # as reports were before they counted these
    report = replace(report, recommendation=replace(small.recommendation, choice=whole))
    assert questions(report) == tuning_queries(whole) == "8 synthetic queries of held-out documents"
    assert two_sets(report) == "", "there is one set of queries, and one name for it"
    assert not goes_by_others(report)
    assert not goes_by_others(replace(report, recommendation=replace(small.recommendation, choice=old)))
    judged = replace(report, recommendation=replace(small.recommendation, choice=replace(whole, judged=5)))
    assert two_sets(judged).endswith("and on 5 judged ones: +0.006 [\u22120.002, +0.014] in nDCG@10.")
    assert two_sets(replace(report, recommendation=None)) == ""


@pytest.mark.parametrize("low", [0.001, -0.001])
def test_a_reranker_is_advised_where_it_is_surely_better(small: Report, low: float) -> None:
    assert small.recommendation
    assert reranker_sentence(small) == ""
    gain = RerankerGain(30, DifferenceFigures(0.02, (low, 0.04), 0.04))
    latency = {**small.latency, "base_words@30@trained": Latency(search=Percentiles(250.0, 300.0))}
    report = replace(small, recommendation=replace(small.recommendation, reranker=gain), latency=latency)
    start = "Search with base + words, weight of words 0.30"
    assert advice(report) == (f"{start}, its first 30 passages reranked" if low > 0 else start)
    then = "which is why it is recommended" if low > 0 else "so it is left out"
    decided = "Whether to rerank was decided on these same queries"
    decided = f"{decided}, which flatters what it adds." if low > 0 else f"{decided}."
    assert reranker_sentence(report) == (
        "Reranking its first 30 passages by the cross-encoder that was trained adds "
        f"{with_interval(gain.gain)} on 5 judged questions of tiny, at 250 ms a query in place of 6.5 ms, "
        f"{then}. {decided}"
    )
    assert crossfit_sentence(report) == f"{crossfit_sentence(small)} {decided}"
    assert system_name("base_words@30@trained") == "base + words, first 30 reranked"


@pytest.mark.parametrize(
    ("alone", "fused", "title"),
    [
        ("tuned", True, "The tuned model passes the check for harm, alone and with words"),
        ("base", False, "The tuned model does not pass the check for harm, alone or with words"),
        ("tuned", False, "Alone, the tuned model passes the check for harm; with words it does not"),
        ("base", True, "Alone, the tuned model does not pass the check for harm; with words it does"),
        ("tuned", None, "Alone, the tuned model passes the check for harm"),
        ("base", None, "Alone, the tuned model does not pass the check for harm"),
    ],
)
def test_the_check_for_harm_is_told_of_the_models_alone_and_with_words(
    small: Report, alone: str, fused: bool | None, title: str
) -> None:
    assert small.decision.fused
    check = None if fused is None else replace(small.decision.fused, is_harmless=fused)
    model = "tuned" if alone == "tuned" and fused is not False else "base"
    decision = replace(small.decision, model=model, model_alone=alone, fused=check)
    assert harm_title(replace(small, decision=decision)) == title
    before = replace(decision, model=alone, model_alone="", fused=None)
    assert harm_title(replace(small, decision=before)).startswith("Alone, ")


@pytest.mark.parametrize(
    ("mean", "low", "expected"),
    [
        (0.02, 0.01, "but harm is not ruled out, so the base stays."),
        (0.006, -0.002, "so the base stays unless about 2 times as many queries confirm it."),
        (0.002, -0.1, "so the base stays."),
        (-0.01, -0.02, "so the base stays."),
        (0.0, -0.02, "so the base stays."),
    ],
)
def test_what_tuning_adds_leads_to_the_base_or_to_more_queries(
    small: Report, mean: float, low: float, expected: str
) -> None:
    assert small.choice
    tuning = DifferenceFigures(mean, (low, 2 * mean - low), 0.1)
    assert tuning_sentence(replace(small.choice, tuning=tuning)).endswith(expected)
    tuned = replace(small.choice, tuning=tuning, model="tuned")
    assert tuning_sentence(tuned).endswith("which is why it is chosen.")


def test_the_weight_of_words_is_told_of_systems_that_it_was_chosen_for(small: Report) -> None:
    known = small.recommendation
    assert known
    assert known.choice
    inside = replace(known, choice=replace(known.choice, weight=0.0), weight=0.1)
    names = ("base_words", "tuned_words", "base_words@30@trained", "base", "bm25+base")
    assert [weight_of_words(inside, name) for name in names] == [0.1, 0.1, 0.1, None, None]
    assert weight_of_words(replace(known, weight=None), "base_words") == 0.3, "as reports were before it could differ"
    assert weight_of_words(replace(known, choice=None), "base_words") is None


def test_a_system_is_better_where_interval_and_corrected_p_both_say_so(small: Report) -> None:
    assert small.recommendation
    assert measured_sentence(small).endswith(
        "So few queries (5) tell systems apart by chance; the choice rests on more of them."
    )
    systems = dict(small.recommendation.systems)
    for figures, trend in (
        (compared(0.01, 0.07, 0.02), "better"),
        (compared(0.01, 0.07, 0.06), "unclear"),
        (compared(-0.01, 0.07, 0.02), "unclear"),
        (compared(-0.07, -0.01, 0.02), "worse"),
        (compared(0.01, 0.07, None), "better"),
    ):
        assert trend_to_chosen(figures) == trend
        systems["tuned"] = figures
        told = measured_sentence(replace(small, recommendation=replace(small.recommendation, systems=systems)))
        assert ("; significantly better on these: tuned (+0.040 [+0.010, +0.070])." in told) == (trend == "better")
        assert "search with" not in told.lower(), "there is one piece of advice"
    reranker = RerankerGain(30, DifferenceFigures(0.02, (0.01, 0.04), 0.04))
    told = measured_sentence(
        replace(small, recommendation=replace(small.recommendation, systems=systems, reranker=reranker))
    )
    assert told.endswith("The choice rests on other queries, but whether to rerank was decided on these.")


def test_what_the_choice_could_not_see_is_said(small: Report) -> None:
    assert small.choice
    sees_all = replace(small.choice, documents=100, judged=40)
    for choice, expected in (
        (sees_all, []),
        (replace(sees_all, documents=12, judged=3), ["Queries of only 12 documents"]),
        (replace(sees_all, judged=0), ["No judged query took part: the choice rests on queries of the generator"]),
        (replace(sees_all, judged=0, real=0), ["The choice rests on the generator's own queries alone."]),
        (replace(sees_all, tuning=None), ["No document was held out"]),
        (None, ["How to search is not chosen"]),
    ):
        sentences = not_known(Recommendation(choice, 18, {}))
        assert [sentence[: len(start)] for sentence, start in zip(sentences, expected, strict=True)] == expected
    assert warning(replace(small.choice, judged=0, real=0)) in not_known(
        Recommendation(replace(sees_all, judged=0, real=0), 18, {})
    )


def test_figures_of_what_was_chosen_are_marked_as_cross_fitted(small: Report) -> None:
    known = small.recommendation
    assert known
    assert known.seen is not None
    marked = [name for name in known.systems if is_crossfitted(known, name)]
    assert marked == ["base_words", "tuned_words"]
    told = crossfit_sentence(small)
    assert told.startswith("\u2020 Cross-fitted: the choice was made 10 times, each time without a part of the quest")
    mean = known.systems["base_words"].mean
    for seen, end in ((mean + 0.01, f"has {mean + 0.01:.3f}, which flatters it."), (mean, f"has {mean:.3f}.")):
        assert crossfit_sentence(replace(small, recommendation=replace(known, seen=seen))).endswith(end)
    reranked = {**known.systems, "base_words@30@trained": replace(known.systems["base_words"], seen=0.5)}
    assert is_crossfitted(replace(known, systems=reranked), "base_words@30@trained"), (
        "the report tells it of each system"
    )
    old = replace(known, folds=0, seen=None)
    assert crossfit_sentence(replace(small, recommendation=old)) == ""
    assert not is_crossfitted(old, "base_words")


def test_names_and_p_values_for_people() -> None:
    assert [system_name(name) for name in ("bm25", "tuned_words", "multilingual-e5")] == [
        "BM25",
        "tuned + words",
        "multilingual-e5",
    ]
    assert [p_value(p) for p in (None, 0.0001, 0.0123, 0.5)] == ["", "< 0.001", "0.012", "0.50"]

"""The page is valid, self-contained, escapes every text, and says what the figures say."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from eval.cost import Amounts, Cost
from eval.crossfit import COLUMN
from eval.data_quality.queries import QueryFigures, WordLengths
from eval.page.page import funnel, page_values, quality_chart, render_page, timeline
from eval.page.wins import Wins
from eval.report import Bm25Settings, GenerationRates, Recommendation, RerankerGain, TrainingFigures
from eval.significance import DifferenceFigures
from eval.wording import MADE_UP
from tests.support.small_run import ANALYSER, small_report

VOID = {"meta", "br", "link", "img"}


class Checker(HTMLParser):
    """Checks that tags nest, and keeps tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def checked(html: str) -> Checker:
    """The page, parsed."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == [], "every tag is closed"
    return checker


@pytest.mark.parametrize("judged", [True, False])
def test_the_page_is_well_formed_and_opens_without_a_network(tmp_path: Path, judged: bool) -> None:
    html = render_page(*small_report(tmp_path, judged=judged))
    page = checked(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not [
        value for name, value in page.attributes if name in {"src", "href", "xlink:href"} or name.startswith("on")
    ]
    assert "http" not in html.replace("http-equiv", "")
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_the_page_says_which_files_have_a_marked_figure(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    told = f"is the mean of the column {COLUMN} there"
    assert told in render_page(report, evidence)
    won = replace(evidence, wins={"base_words": Wins(1, [])})
    assert "Systems marked \u2020 above stand here with" in render_page(report, won)
    assert report.recommendation
    fixed = replace(report, recommendation=replace(report.recommendation, folds=0, seen=None))
    assert COLUMN not in render_page(fixed, won)
    assert "Systems marked" not in render_page(fixed, won)


def test_texts_are_escaped(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    html = render_page(report, evidence)
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    decision = replace(report.decision, why="<i>why</i>")
    renamed = replace(report, retrieval={"<b onload=x>": report.retrieval["tiny"]}, decision=decision)
    html = render_page(renamed, evidence)
    assert "<b onload" not in html
    assert "&lt;i&gt;why" in html


def test_the_page_says_when_only_some_of_the_kept_queries_are_described(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    described = report.data_quality.kept.queries
    whole, part = (replace(report, examples=replace(report.examples, kept=described + more)) for more in (0, 1))
    assert '<th scope="row">Kept</th>' in render_page(whole, evidence)
    assert '<th scope="row">Kept, drawn</th>' in render_page(part, evidence)


def test_the_rule_of_the_decision_is_told_whole(tmp_path: Path) -> None:
    text = render_page(*small_report(tmp_path))
    assert "or is not significantly better while these ranks may be longer by more than 10 %" in text
    assert "Both models with words, half and half, are held to the same rule" in text


def test_the_page_says_what_the_report_says(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    text = " ".join(" ".join(checked(render_page(report, evidence)).text).split())
    assert report.decision.why in text
    assert f"{report.retrieval['tiny'].tuned['ndcg@10']:.3f}" in text
    assert "5 judged questions of tiny" in text
    assert "1 query was left out (used as demonstration)" in text
    for reason in ("round trip", "length", "duplicate"):
        assert reason in text
    assert evidence.kept[0].query in text
    assert evidence.changes.better[0].query in text
    assert all(fingerprint in text for fingerprint in report.fingerprints.values())


@pytest.mark.parametrize("judged", [True, False])
def test_the_page_says_that_reranking_was_decided_on_the_queries_that_its_gain_is_told_of(
    tmp_path: Path, judged: bool
) -> None:
    report, evidence = small_report(tmp_path, judged=judged)
    assert report.recommendation
    gain = RerankerGain(30, DifferenceFigures(0.02, (0.01, 0.04), 0.04))
    reranked = replace(report, recommendation=replace(report.recommendation, reranker=gain))
    plain, told = (" ".join(checked(render_page(each, evidence)).text) for each in (report, reranked))
    assert reranked.recommendation
    assert "decided on" in told
    assert "decided with them but whether to rerank" in told or not judged
    choice = replace(report.recommendation.choice, judged=5) if report.recommendation.choice else None
    with_judged = replace(reranked, recommendation=replace(reranked.recommendation, choice=choice))
    told = render_page(with_judged, evidence)
    assert "whether to rerank was decided on them as well, and without folds" in told or not judged
    assert "which flatters what it adds" in told
    assert "rerank" not in plain


def test_the_page_begins_with_how_to_search_then_what_tuning_added(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    assert report.recommendation
    text = " ".join(" ".join(checked(render_page(report, evidence)).text).split())
    parts = [
        "Search with base + words, weight of words 0.30",
        "Chosen on 18 synthetic queries of 12 documents",
        "On these: nDCG@10",
        "With words at weight 0.30, the tuned model adds +0.006 [\u22120.002, +0.014] to the base on synthetic queries",
        "No judged query took part",
        "Queries of only 12 documents took part, so the choice says little.",
        "All systems, on 5 judged questions of tiny",
        "Difference to base + words [95 %]",
        f"Measured on 5 judged questions of tiny. BM25 reads words so: {ANALYSER}.",
        "\u2020 Cross-fitted: the choice was made 10 times",
        "The systems Quality and time",
        "Recall by number of documents",
        "What tuning added Measured twice, so two figures",
        "5 judged questions of tiny by the models alone",
        "the words that they share with these with words at weight 0.30: the choice goes by this +0.006",
        "By the models alone: on 5 judged questions of tiny",
        "The tuned model passes the check for harm, alone and with words",
        "Measured on 5 judged questions of tiny. Lines are",
        "From plan to training data",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "Use the" not in text, "there is one piece of advice"
    assert "but that their texts, without judgements" in text


def test_judged_questions_that_took_part_in_the_choice_are_said_to(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    assert report.choice
    assert report.recommendation
    judged = replace(report.recommendation, choice=replace(report.choice, judged=5))
    text = " ".join(" ".join(checked(render_page(replace(report, recommendation=judged), evidence)).text).split())
    assert "Chosen on 5 judged queries and on 18 synthetic queries of 12 documents" in text
    assert "How to search was chosen with them too, so that what was chosen is measured by cross-fitting." in text
    assert "by the texts of 5 real ones (the fewer" in text
    assert "and by the judgements of 5 of the same collection, which count the more" in text, "none is told twice"
    assert "No judged query took part" not in text


def test_without_a_choice_the_page_says_which_model_to_use_and_why_no_more(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    old, too_few = (replace(report, recommendation=known) for known in (None, Recommendation(None, 3, {})))
    for shown in (old, too_few):
        html = render_page(shown, evidence)
        text = " ".join(" ".join(checked(html).text).split())
        assert f"<h1>Use the {report.decision.model} model</h1>" in html, "nothing else stands above the advice"
        assert report.decision.why in text
        assert "Search with" not in text
        assert ("How to search is not chosen: 3 synthetic queries" in text) == (shown is too_few)


def test_the_page_shows_how_diverse_and_how_near_to_real_ones_queries_are(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    text = " ".join(" ".join(checked(render_page(report, evidence)).text).split())
    assert "Synthetic 6 5.1 0.700 0.420 0.310 Real 6 5.4 0.800 0.350 0.330" in text
    assert "2 of 2 values that were shown to the generator have a kept example." in text


def test_without_a_benchmark_the_page_says_so(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path, judged=False)
    text = " ".join(checked(render_page(report, evidence)).text)
    assert "There were no judged questions" in text
    assert "8 whole synthetic queries of held-out documents" in text
    assert "Measured twice" in text
    assert report.choice
    assert report.recommendation
    same = replace(report.recommendation, choice=replace(report.choice, lost=0.0))
    text = " ".join(checked(render_page(replace(report, recommendation=same), evidence)).text)
    assert "Measured twice" not in text, "one set of queries has one name"
    assert "8 synthetic queries of held-out documents" in text


def test_the_forecast_stands_beside_what_it_then_was(tmp_path: Path) -> None:
    text = " ".join(" ".join(checked(render_page(*small_report(tmp_path))).text).split())
    assert "Estimated before, at most 25 9,000 1,200 Counted by the engines 24 8,600 240" in text
    assert "The engines worked for 9 CPU-seconds: a price of 0.000184" in text


def test_conditions_are_shown_with_what_was_asked_for(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    text = " ".join(" ".join(checked(render_page(report, evidence)).text).split())
    question = report.data_quality.conditions["form"]["question"]
    generated, reached = 100 * question.generated / report.samples.generated, 100 * question.reached
    counts, share = f"{question.generated} {question.kept}", f"{100 * question.share:.0f} %"
    assert f"form: question {counts} {share} {generated:.1f} % {reached:.1f} % 75.0 %" in text
    assert " % \u2013 form: question" in text, "nothing was asked for of keywords"
    assert "Every sample draws its values by chance" in text


def test_a_time_that_is_missing_is_explained(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    within = "encodes within its search"
    assert within in render_page(report, evidence), "that of base + words"
    alone = replace(report, latency={name: report.latency[name] for name in ("bm25", "base")})
    assert within not in render_page(alone, evidence), "words are not encoded"


def test_the_page_says_how_bm25_reads_words(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    text = " ".join(" ".join(checked(render_page(report, evidence)).text).split())
    assert "BM25 (English: Snowball stemmer, stop words) base tuned" in text
    assert "and reads words so: English: Snowball stemmer, stop words. The round trip of curation searched" in text
    assert "with BM25 as well, read alike." in text
    before = replace(report, settings=replace(report.settings, bm25=Bm25Settings(1.5, 0.75)))
    text = " ".join(" ".join(checked(render_page(before, evidence)).text).split())
    assert "BM25 base tuned" in text, "a report from before there were analysers"
    assert "b = 0.75." in text


def test_the_page_says_what_training_came_to(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    text = " ".join(" ".join(checked(render_page(report, evidence)).text).split())
    assert "ranking, 3 epochs of batches of 16, learning rate 2e-05, fp32" in text
    assert "those of the base" not in text
    halfway = replace(report, training=replace(report.training, base_share=0.5))
    text = " ".join(" ".join(checked(render_page(halfway, evidence)).text).split())
    assert "fp32. The finished weights are by 50 % those of the base." in text


def test_latency_has_a_dash_for_what_a_system_does_not_do(tmp_path: Path) -> None:
    text = " ".join(" ".join(checked(render_page(*small_report(tmp_path))).text).split())
    assert "BM25 \u2013 \u2013 0.4 ms 0.9 ms base 5.2 ms 7.5 ms 0.4 ms 0.9 ms" in text
    assert "base + words \u2013 \u2013 6.5 ms 9.0 ms" in text


def test_nothing_held_out_and_nothing_reported_still_gives_a_page(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path, judged=False)
    unknown = Amounts(None, None, None)
    kept = QueryFigures(0, WordLengths(histogram={}), 0.0, 0)
    bare = replace(
        report,
        held_out=replace(report.held_out, queries=0),
        generation=GenerationRates(None, None, None, None, None),
        training=TrainingFigures(None, None, None),
        cost=Cost(unknown, unknown, None, None, None, None, None, None),
        latency={},
        examples=replace(report.examples, rejected={}),
        data_quality=replace(report.data_quality, kept=kept),
    )
    text = " ".join(checked(render_page(bare, evidence)).text)
    assert "What tuning added: nothing to measure on" in text
    unchosen = " ".join(checked(render_page(replace(bare, recommendation=None), evidence)).text)
    assert "What tuning added: nothing to measure on" in unchosen
    assert "No query was kept." in text
    assert "How long the engines worked is not known." in text


def test_the_funnel_accounts_for_every_sample(tmp_path: Path) -> None:
    bars = funnel(small_report(tmp_path)[0])
    stages = {stage.name: stage.count for stage in bars.stages}
    losses = {loss.name: loss.count for loss in bars.losses}
    assert stages == {"planned": 25, "generated": 24, "kept": 14, "trained on": 9}
    assert stages["planned"] == stages["kept"] + sum(losses.values())
    assert list(losses) == ["failed", "round trip", "duplicate", "length"]
    assert bars.losses[1].percent == 100, "the longest bar fills its line"


def test_the_timeline_is_the_whole_time() -> None:
    spans = timeline({"documents": 1.0, "samples": 3.0})
    assert [span.percent for span in spans] == [25.0, 75.0]


def test_the_chart_has_a_row_for_each_metric(tmp_path: Path) -> None:
    figures = small_report(tmp_path)[0].retrieval["tiny"]
    chart = quality_chart(figures)
    assert [row.metric for row in chart.rows][:3] == ["nDCG@10", "MRR@10", "Recall@100"]
    assert chart.rows[0].means["base"] == f"{figures.base['ndcg@10']:.3f}"


def test_held_out_figures_have_a_chart_of_their_own_only_beside_a_benchmark(tmp_path: Path) -> None:
    for judged in (True, False):
        report, evidence = small_report(tmp_path / str(judged), judged=judged)
        values = page_values(report, evidence)
        assert values["held_out"] == (quality_chart(report.held_out) if judged else None)


def test_a_system_that_wins_no_query_has_no_heading(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    heading = "Queries that one system alone answers best"
    page = render_page(report, replace(evidence, wins={"bm25": Wins(1, []), "base": Wins(0, [])}))
    assert heading in page
    assert "BM25: 1 query<" in page
    assert ": 0 queries" not in page
    assert heading not in render_page(report, replace(evidence, wins={"base": Wins(0, [])}))


def test_made_up_samples_are_marked_above_all_figures(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    assert MADE_UP not in render_page(report, evidence)
    made_up = replace(report, samples=replace(report.samples, is_made_up=True))
    text = " ".join(" ".join(checked(render_page(made_up, evidence)).text).split())
    assert text.index(MADE_UP) < text.index("nDCG@10")


def test_every_cell_of_the_systems_says_on_a_narrow_page_what_it_is(tmp_path: Path) -> None:
    page = checked(render_page(*small_report(tmp_path)))
    names = [value for name, value in page.attributes if name == "data-name"]
    assert names == ["nDCG@10", "to base + words", "p, Holm", "Recall@100", "One query", "Index"] * 5

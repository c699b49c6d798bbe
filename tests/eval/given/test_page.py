"""The page and the tables of given examples say what was better than the base, by how much, and what that rests on."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console as RichConsole

from eval.given.charts import reliability
from eval.given.figures import GivenReport
from eval.given.page import render_given
from eval.given.table import closing_sentence, given_tables
from eval.given.words import count, findings, headline, lead
from tests.support.given_report import made_classification, made_controls, made_report, made_search, made_similarity


def page_of(report: GivenReport) -> str:
    return " ".join(render_given(report).split())


def printed(report: GivenReport) -> str:
    console = RichConsole(file=io.StringIO(), width=80)
    for table in given_tables(report):
        console.print(table)
    console.print(closing_sentence(report))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_pairs() -> None:
    report = made_report(search={"held_out": made_search()})
    assert headline(report) == "Tuning made search better"
    assert lead(report).startswith("On 200 of 900 held-out queries among 500 passages, nDCG@10 rose from 0.")
    page = page_of(report)
    assert "<h1>Tuning made search better</h1>" in page
    for words in ("500 of 600 passages", "200 documents", "50 % BM25 + 50 % tuned", "hit@2", "MRR"):
        assert words in page, words
    shown = printed(report)
    assert "50 % BM25 + 50 % base" in shown
    assert "Tuning made search better. On 200" in " ".join(shown.split())


def test_a_reranker_has_its_curves() -> None:
    page = page_of(made_report(search={"tiny": made_search(reranked=True)}))
    for words in (
        "Reranking: tuned",
        "0, the first stage alone",
        "Quality and time",
        'class="scatter"',
        'class="lines"',
    ):
        assert words in page, words
    assert "200 of 900 judged queries of tiny" in page


def test_graded_pairs() -> None:
    report = made_report(similarity={"held_out": made_similarity(), "similarity": made_similarity(worse=True)})
    assert headline(report) == "Tuning made scores agree better with grades"
    assert [finding.trend for finding in findings(report)] == ["better", "worse"]
    page = page_of(report)
    assert "80 held-out graded pairs" in page
    assert "80 graded pairs of the file" in page
    assert "Spearman fell from" in page, "what the other set says stands below the headline"


def test_texts_stand_beside_controls() -> None:
    report = made_report(classification={"held_out": made_classification()}, controls=made_controls())
    page = page_of(report)
    for words in (
        "Do conditions make texts differ?",
        "Texts that were written under conditions have more different pairs of words than controls: ",
        ": 100 % of 120 pairs are different ones, beside 5.8 % of as many (at most 30 texts of each); ",
        "a difference of +0.",
        "number of pairs of neighbouring words that are read",
        "(p 0.010)",
        'class="curves"',
    ):
        assert words in page, words
    shown = " ".join(printed(report).split())
    assert "How different 30 texts are from one another, beside as many controls" in shown
    assert "Do conditions" not in page_of(replace(report, controls=None))


def test_a_page_tells_how_many_controls_the_filters_kept() -> None:
    report = made_report(classification={"held_out": made_classification()}, controls=made_controls())
    assert "Of the controls" not in page_of(report), "nobody counted them"
    assert report.controls
    rejected = {"length": 1200, "near_duplicate": 34}
    for lost, told in ((rejected, "1,234 rejected (length 1,200, near duplicate 34)"), ({}, "none rejected")):
        counted = replace(report, controls=replace(report.controls, kept=30, rejected=lost))
        assert f"Of the controls 30 were kept, and {told}." in page_of(counted)


def test_labels_and_texts_are_escaped() -> None:
    report = made_report(classification={"held_out": made_classification()})
    assert headline(report) == "The classifier is not clearly better than the vectors of the base"
    page = page_of(report)
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    for words in (
        "Most common confusions",
        "y taken for x: 1",
        "with temperature 2",
        "The temperature was found on these texts, of which there are too few to halve them, and flatters.",
        "calibration error",
        "always the",
    ):
        assert words in page, words
    assert "macro-F1" in printed(report)
    several = made_report(classification={"held_out": made_classification(several=True)})
    assert "all labels right" in page_of(several)
    assert "Most common confusions" not in page_of(several)


def test_few_documents_and_nothing_at_all() -> None:
    few = replace(made_search(), clusters=4)
    assert "with only 4 documents that says little" in lead(made_report(search={"held_out": few}))
    nothing = made_report()
    assert headline(nothing) == "Nothing to measure on"
    assert "raise examples.validation_share" in lead(nothing)
    assert printed(nothing).startswith("Nothing to measure on. There are no held-out pairs")
    assert "<h1>Nothing to measure on</h1>" in page_of(nothing)


def test_sets_in_words() -> None:
    assert count(made_search(), "held_out") == "200 of 900 held-out queries"
    judged, synthetic = (replace(made_search(), name="held_out", kind=kind) for kind in ("judged", "held_out"))
    assert count(judged, "judged") == "200 of 900 judged queries of held_out"
    assert count(synthetic, "held_out") == "200 of 900 held-out queries"
    assert count(made_classification(), "labelled") == "6 of 60 labelled texts of the file"


def test_the_curve_of_probabilities() -> None:
    drawing = reliability(made_classification().calibration)
    assert drawing.count("<circle") == sum(len(each.bins) for each in made_classification().calibration.values())
    assert reliability({}) == ""

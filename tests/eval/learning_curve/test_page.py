"""The page and the table of a learning curve say where more examples stop helping, and what the next ones cost."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console as RichConsole

from eval.learning_curve.page import render_learning_curve
from eval.learning_curve.table import learning_curve_table
from eval.learning_curve.words import enough_sentence, gain_sentences, main_set, next_sentence, title
from eval.wording import MADE_UP
from tests.support.learning_curves import made_learning_curve


def test_the_page_has_both_sets_and_the_rule() -> None:
    page = " ".join(render_learning_curve(made_learning_curve()).split())
    assert "<h1>200 examples are enough</h1>" in page
    assert page.count('class="lines"') == 2
    for words in (
        "120 judged questions",
        "60 held-out documents",
        "Holm",
        "none: base",
        "tuned + words",
        "over the row before [95 %]",
    ):
        assert words in page, words
    assert "judged questions" not in render_learning_curve(made_learning_curve(judged=False))
    assert MADE_UP not in page
    assert MADE_UP in render_learning_curve(replace(made_learning_curve(), is_made_up=True))


def test_sentences() -> None:
    figures = made_learning_curve()
    curves = main_set(figures)
    assert title(figures) == "200 examples are enough"
    assert "beyond 200 examples no larger number is significantly better" in enough_sentence(figures, curves, "tuned")
    gains = gain_sentences(figures, curves, "tuned_words")
    assert len(gains) == 3
    assert gains[0].startswith("From 0 to 100 examples: +0.0")
    assert "for 200 samples (about 50 s of CPU time)" in gains[0]
    assert "another 800 samples (about 3 min 20 s of CPU time)" in next_sentence(figures)


def test_what_queries_cannot_tell_is_not_claimed() -> None:
    assert title(made_learning_curve(noise=0.3)) in {"Whether examples help is not known", "100 examples may be enough"}


def test_the_table_fits_eighty_columns() -> None:
    text = io.StringIO()
    RichConsole(file=text, width=80).print(learning_curve_table(made_learning_curve()))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "with words" in text.getvalue()
    assert text.getvalue().count("over row") == 2, "a gain says over what"

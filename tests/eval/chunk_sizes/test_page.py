"""The page and the table of chunk sizes say where the curve flattens, what a size costs and what the encoder reads."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console as RichConsole

from eval.chunk_sizes.page import by_overlap, limit_between, render_chunk_sizes
from eval.chunk_sizes.table import chunk_sizes_table
from eval.chunk_sizes.words import advice, doubt_sentence, flat_sentence, limit_sentence, main_set, whole_sentence
from eval.wording import MADE_UP
from tests.support.chunk_sizes import made_chunk_sizes


def test_the_page_says_where_it_flattens() -> None:
    page = " ".join(render_chunk_sizes(made_chunk_sizes()).split())
    assert "<h1>Chunks of 256 tokens are enough</h1>" in page
    assert page.count('class="lines"') == 4, "a chart for each set of queries and overlap"
    for words in ("no overlap", "overlap 12.5 %", "encoder reads so far", "Synthetic queries were written once", "35"):
        assert words in page, words
    alone = render_chunk_sizes(made_chunk_sizes(judged=False))
    assert "judged questions" not in alone
    assert MADE_UP not in page
    assert MADE_UP in render_chunk_sizes(replace(made_chunk_sizes(), is_made_up=True))


def test_sentences() -> None:
    figures = made_chunk_sizes()
    curves = main_set(figures)
    assert advice(figures) == "Chunks of 256 tokens are enough"
    assert flat_sentence(figures, curves, "base_words").startswith("base + words: flat from 256 tokens (")
    assert "128 tokens" in flat_sentence(figures, curves, "base")
    assert "50 % of those of 512 tokens (overlap 64)" in limit_sentence(figures)
    assert whole_sentence(figures) == ""


def test_few_queries_leave_open_what_short_chunks_lose() -> None:
    figures = made_chunk_sizes()
    assert doubt_sentence(figures) == ""
    unsure = made_chunk_sizes(noise=1.0)
    assert advice(unsure).endswith("tokens may be enough")
    assert "do not rule out that chunks of this size lose 0." in doubt_sentence(unsure)
    assert "may be enough" in render_chunk_sizes(unsure)


def test_a_chart_has_one_overlap_of_each_size() -> None:
    assert by_overlap(made_chunk_sizes().sizes) == [[0, 2, 4], [1, 3, 5]]


def test_the_limit_of_the_encoder_lies_between_sizes() -> None:
    assert limit_between([128, 256, 512], 256) == 1
    assert limit_between([128, 512], 256) == pytest.approx(0.5)
    assert limit_between([128, 256], 512) is None


def test_the_table_fits_eighty_columns() -> None:
    text = io.StringIO()
    RichConsole(file=text, width=80).print(chunk_sizes_table(made_chunk_sizes()))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "base + words" in text.getvalue()
    assert "The encoder reads 256 tokens" in " ".join(text.getvalue().split())

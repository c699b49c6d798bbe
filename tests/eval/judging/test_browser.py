"""The page for judging in a real browser: marks by keyboard, closed in the middle, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.judging.page import render_judge_page
from eval.judging.pool import Pool, Result
from eval.judging.sheet import read_marks
from tests.support.browsers import CHROMIUM, browser
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium: apt-get install chromium")
RESULTS = [
    Result(
        f"q{query}", f"q{query}#{place}", f"d{query}", "A title" * (place % 2), "cold milk " * (1 + 400 * (place == 3))
    )
    for query in range(8)
    for place in range(6)
]
POOL = Pool({f"q{query}": f"question {query}" for query in range(8)}, RESULTS, 3)


def test_forty_marks_by_keyboard_survive_a_closed_window(tmp_path: Path) -> None:
    page, profile = tmp_path / "judge.html", tmp_path / "profile"
    page.write_text(render_judge_page(POOL, "run"), encoding="utf-8")
    counts = "document.getElementById('counts').textContent"
    grades = ["012"[number % 3] for number in range(40)]
    with browser(profile, tmp_path) as first:
        first.open(page)
        assert first.value(counts) == "0 of 48 marked · 0: 0 · 1: 0 · 2: 0"
        first.press("jjkk" + "".join(grades[:19]) + "2u" + grades[19])
        assert first.value(counts) == "20 of 48 marked · 0: 7 · 1: 7 · 2: 6"
        assert first.value("document.querySelector('.current .marks') !== null")
    with browser(profile, tmp_path) as second:
        second.open(page)
        assert second.value(counts) == "20 of 48 marked · 0: 7 · 1: 7 · 2: 6", "it was closed without a file"
        second.press("f" + "".join(grades[20:]))
        assert (
            second.value("document.getElementById('kept').textContent") == "kept here · 42 changes since the last file"
        )
        second.press("s")
        wait_until(lambda: list(tmp_path.glob("marks-*.csv")), "the file of marks")
        [file] = tmp_path.glob("marks-*.csv")
        assert {url.partition(":")[0] for url in second.requests} <= {"file", "blob"}
    marks = read_marks(file, POOL)
    assert marks == {
        (result.query_id, result.passage_id): int(grade) for result, grade in zip(RESULTS, grades, strict=False)
    }


@pytest.mark.parametrize("width", [400, 1400])
def test_the_current_result_is_seen_whole_below_the_question(width: int, tmp_path: Path) -> None:
    page = tmp_path / "judge.html"
    page.write_text(render_judge_page(POOL, "run"), encoding="utf-8")
    with browser(tmp_path / "profile", tmp_path) as shown:
        shown.resize(width, 850)
        shown.open(page)
        shown.press("jjjjj")
        assert shown.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (
            "nothing is wider than the window"
        )
        place = "document.querySelector('.current').getBoundingClientRect()"
        assert shown.value(f"document.querySelector('header').getBoundingClientRect().bottom <= {place}.top")
        assert shown.value(f"{place}.bottom <= innerHeight")
        shown.resize(1800 - width, 850)  # as a telephone that is turned
        header = "parseInt(getComputedStyle(document.body).getPropertyValue('--header'))"
        wait_until(lambda: shown.value(f"{header} === document.querySelector('header').offsetHeight"), "its new height")
        shown.resize(width, 850)
        shown.press("?")
        assert shown.value("document.getElementById('help').open")
        help_width = "document.getElementById('help').getBoundingClientRect().width"
        assert shown.value(f"{help_width} <= {width}")

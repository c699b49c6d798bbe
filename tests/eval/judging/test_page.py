"""The page is one file that holds the whole pool, asks for nothing from elsewhere, and does not tell who found what."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from eval.judging.page import page_data, render_judge_page
from eval.judging.pool import Pool, Result
from eval.judging.sheet import COLUMNS
from tests.support.pools import small_pool

POOL = small_pool()


class Scripts(HTMLParser):
    """Keeps the scripts of a page, as a browser cuts them, and every attribute that could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.loaded: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.loaded += [value for name, value in values.items() if name in {"src", "href", "srcset", "action"}]
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data


def parsed(page: str) -> Scripts:
    """The page, parsed."""
    scripts = Scripts()
    scripts.feed(page)
    return scripts


def test_every_pooled_row_is_in_the_page_as_it_is() -> None:
    page = parsed(render_judge_page(POOL, "a <run>"))
    data = json.loads(page.scripts[0])
    rows = [
        Result(query["id"], result["passage"], result["document"], "".join(result["title"]), "".join(result["text"]))
        for query in data["queries"]
        for result in query["results"]
    ]
    assert rows == list(POOL.results)
    assert any("</script>" in row.text for row in rows), "a passage that would end the script"
    assert {query["id"]: query["text"] for query in data["queries"]} == dict(POOL.queries)
    assert (data["pool"], tuple(data["columns"])) == (POOL.name, COLUMNS)


def test_the_page_asks_for_nothing_and_runs_one_script() -> None:
    page = parsed(render_judge_page(POOL, "run"))
    assert page.loaded == []
    assert len(page.scripts) == 2, "the data, and the script of the page: no passage became a third"
    allowed = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert page.policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    styles = re.findall(r"<style>(.*?)</style>", render_judge_page(POOL, "run"), re.DOTALL)
    assert not re.search(r"url\(|@import", "".join(styles))
    assert "innerHTML" not in page.scripts[1], "passages are shown as text only"


def test_nothing_tells_which_system_found_a_result() -> None:
    keys = {key for query in page_data(POOL, str.split)["queries"] for result in query["results"] for key in result}
    assert keys == {"passage", "document", "title", "text", "long"}


def test_long_texts_are_folded() -> None:
    pool = Pool(
        {"q": "salt"}, [Result("q", name, name, "", "salt " * count) for name, count in (("a", 9), ("b", 900))], 1
    )
    assert [result["long"] for result in page_data(pool, str.split)["queries"][0]["results"]] == [False, True]


def test_the_name_of_the_run_is_escaped() -> None:
    assert "a <run>" not in render_judge_page(POOL, "a <run>")

"""The page is valid, self-contained, escapes every text, and says what the figures say."""

from __future__ import annotations

import copy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from eval.page.page import funnel, page_values, render_page, timeline
from tests.support.small_run import RECORDS, small_report

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


def test_texts_are_escaped(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    html = render_page(report, evidence)
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    report["retrieval"] = {"<b onload=x>": report["retrieval"]["tiny"]}
    report["decision"]["why"] = "<i>why</i>"
    html = render_page(report, evidence)
    assert "<b onload" not in html
    assert "&lt;i&gt;why" in html


def test_the_page_says_what_the_report_says(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    text = " ".join(" ".join(checked(render_page(report, evidence)).text).split())
    assert f"Use the {report['decision']['model']} model" in text
    assert report["decision"]["why"] in text
    assert f"{report['retrieval']['tiny']['tuned']['ndcg@10']:.3f}" in text
    assert "5 judged questions of tiny" in text
    assert "1 query was left out (used as demonstration)" in text
    for reason in ("round trip", "length", "duplicate"):
        assert reason in text
    assert evidence.kept[0].query in text
    assert evidence.changes.better[0].query in text
    assert all(fingerprint in text for fingerprint in report["fingerprints"].values())


def test_without_a_benchmark_the_page_says_so(tmp_path: Path) -> None:
    text = " ".join(checked(render_page(*small_report(tmp_path, judged=False))).text)
    assert "There were no judged questions" in text
    assert "8 synthetic queries of held-out documents" in text


def test_the_forecast_stands_beside_what_it_then_was(tmp_path: Path) -> None:
    text = " ".join(" ".join(checked(render_page(*small_report(tmp_path))).text).split())
    assert "Forecast, at most 25 9,000 1,200 As it was 24 8,600 240" in text
    assert "The engines worked for 9 CPU-seconds: a price of 0.000184" in text


def test_nothing_held_out_and_nothing_reported_still_gives_a_page(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path, judged=False)
    bare: dict[str, Any] = copy.deepcopy(report)
    bare["held_out"]["queries"] = 0
    bare["generation"] = dict.fromkeys(bare["generation"])
    bare["training"] = dict.fromkeys(bare["training"])
    bare["cost"] = dict.fromkeys(bare["cost"]) | {key: dict.fromkeys(bare["cost"][key]) for key in ("forecast", "real")}
    bare["latency"], bare["examples"]["rejected"] = {}, {}
    bare["data_quality"]["kept"]["words"] = {"histogram": {}}
    text = " ".join(checked(render_page(bare, evidence)).text)
    assert "Nothing to measure on" in text
    assert "No query was kept." in text


def test_the_funnel_accounts_for_every_sample(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    stages = {stage["name"]: stage["count"] for stage in funnel(report)["stages"]}
    losses = {loss["name"]: loss["count"] for loss in funnel(report)["losses"]}
    assert stages == {"planned": 25, "generated": 24, "kept": 14, "trained on": 9}
    assert stages["planned"] == stages["kept"] + sum(losses.values())
    assert list(losses) == ["failed", "round trip", "duplicate", "length"]


def test_the_timeline_is_the_whole_time() -> None:
    parts = timeline({"documents": 1.0, "samples": 3.0})
    assert [part["percent"] for part in parts] == [25.0, 75.0]


def test_every_value_of_the_page_comes_from_the_report(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    values = page_values(report, evidence)
    assert [row["metric"] for row in values["quality"]["rows"]][:3] == ["nDCG@10", "MRR@10", "Recall@100"]
    assert values["held_out"]["queries"] == 8
    assert report["generation"] == RECORDS["samples"]["generation"]

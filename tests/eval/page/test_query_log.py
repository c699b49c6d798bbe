"""The page has a section on the queries of people where there is a log of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eval.page.page import render_page
from eval.page.query_log import log_section
from eval.query_log import describe_log
from eval.retrieval.corpus import read_corpus
from tests.support.small_run import build_run, small_config, small_report, small_systems


def test_the_section_says_what_people_ask_and_where_systems_differ(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path)
    assert log_section(report) is None
    assert "Queries of people" not in render_page(report, evidence)
    log = tmp_path / "<log>.txt"
    log.write_text("how long does green tea take\nbowline <b>loop</b>\n")
    corpus = read_corpus(build_run(tmp_path / "again")["documents"])
    config = replace(small_config(), queries=str(log))
    with_log = replace(report, query_log=describe_log(config, small_systems(corpus), corpus, ["tea"]))
    section = log_section(with_log)
    assert section is not None
    assert section.queries == 2
    assert section.likeness.endswith("50 % are questions, the others keywords (held-out synthetic queries: 0 %).")
    assert [row.systems for row in section.agreement] == ["BM25 and base", "BM25 and tuned", "base and tuned"]
    page = render_page(with_log, evidence)
    assert "Queries of people" in page
    assert "bowline &lt;b&gt;loop&lt;/b&gt;" in page
    assert "&lt;log&gt;.txt" in page

"""Settings that could only fail later are refused, and the identity holds contents and no place."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from eval.config import TEMPLATES, ReportConfig
from tests.support.small_run import small_config, write_benchmark


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("k", 50),
        ("decision_level", 1.0),
        ("decision_level", 0.2),
        ("resamples", 1),
        ("max_held_out", -1),
        ("choice_queries", -1),
    ],
)
def test_a_setting_that_could_only_fail_later_is_refused(setting: str, value: float) -> None:
    with pytest.raises(UserError) as error:
        ReportConfig(benchmark="", **{setting: value})  # type: ignore[arg-type]
    assert error.value.where == f"report.{setting}={value}"


def test_an_unknown_language_is_refused_and_another_one_makes_another_report() -> None:
    with pytest.raises(UserError, match=r"report\.language=klingon: BM25 knows no such language"):
        replace(small_config(), language="klingon").identity()
    assert identity_of(replace(small_config(), language="german")) != identity_of(small_config())


def test_identity_holds_the_benchmarks_content_and_no_place(tmp_path: Path) -> None:
    first, second = write_benchmark(tmp_path / "a" / "tiny"), write_benchmark(tmp_path / "b" / "tiny")
    assert identity_of(small_config(str(first))) == identity_of(small_config(str(second)))
    assert identity_of(small_config(str(first))) != identity_of(small_config())
    text = str(identity_of(small_config(str(first))))
    assert str(tmp_path) not in text
    assert "latency" not in text


def test_queries_without_judgements_make_another_report_where_the_choice_sees_them(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "tiny")
    config = small_config(str(folder))
    unseen = replace(config, choice_queries=0)
    before, before_unseen = identity_of(config), identity_of(unseen)
    with (folder / "queries.jsonl").open("a") as stream:
        stream.write('\n{"_id": "q8", "text": "nobody judged this"}')
    assert identity_of(config) != before
    assert identity_of(unseen) == before_unseen


@pytest.mark.parametrize("name", ["report.html", "report.css"])
def test_an_edited_template_makes_another_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shipped, copy = identity_of(small_config()), tmp_path / "templates"
    shutil.copytree(TEMPLATES, copy)
    monkeypatch.setattr("eval.config.TEMPLATES", copy)
    assert identity_of(small_config()) == shipped
    with (copy / name).open("a") as stream:
        stream.write("\n")
    edited = identity_of(small_config())
    assert isinstance(shipped, dict)
    assert isinstance(edited, dict)
    assert {key for key in shipped if edited[key] != shipped[key]} == {"templates"}


def test_a_benchmark_that_cannot_be_read_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "tiny")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tapples\n")
    with pytest.raises(UserError, match=r"test\.tsv:2"):
        identity_of(small_config(str(folder)))
    with pytest.raises(UserError, match="nowhere"):
        identity_of(small_config(str(tmp_path / "nowhere")))
    followed = ReportConfig(benchmark=str(tmp_path / "nowhere"), origins={"benchmark": "collection"})
    with pytest.raises(UserError, match=r"^collection=.*nowhere: there is no such folder"):
        identity_of(followed)

"""Settings that could only fail later are refused, and the identity holds contents and no place."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from eval.config import TEMPLATES, ReportConfig
from tests.support.models import ENCODER
from tests.support.small_run import small_config, write_benchmark


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("k", 50),
        ("bm25_k1", -1.0),
        ("bm25_k1", float("nan")),
        ("bm25_k1", float("inf")),
        ("bm25_b", 3.0),
        ("bm25_b", -2.0),
        ("bm25_b", float("nan")),
        ("price_per_gpu_hour", -4.0),
        ("price_per_cpu_hour", float("nan")),
        ("decision_level", 1.0),
        ("decision_level", 0.2),
        ("resamples", 1),
        ("max_held_out", -1),
        ("choice_queries", -1),
        ("stored_queries", -1),
    ],
)
def test_a_setting_that_could_only_fail_later_is_refused(setting: str, value: float) -> None:
    with pytest.raises(UserError) as error:
        ReportConfig(benchmark="", **{setting: value})  # type: ignore[arg-type]
    assert error.value.where == f"report.{setting}={value}"


def test_an_unknown_index_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"report\.indexes=\[hsnw\]: there is no such index") as error:
        replace(small_config(), indexes=["ivf_pq", "hsnw"])
    assert "did you mean 'hnsw'? valid are: flat, hnsw, ivf_pq" in error.value.remedy
    assert identity_of(replace(small_config(), indexes=["hnsw"])) != identity_of(small_config())


def test_an_unknown_language_is_refused_and_another_one_makes_another_report() -> None:
    with pytest.raises(UserError, match=r"report\.language=klingon: BM25 knows no such language"):
        replace(small_config(), language="klingon").identity()
    assert identity_of(replace(small_config(), language="german")) != identity_of(small_config())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bases": ["no/such/model"]}, "report.bases=no/such/model: there is no such model"),
        ({"bases": [{"model": ENCODER, "max_tokens": 2}]}, "report.bases: max_tokens=2: leaves no room for a text"),
        ({"bases": [{"model": ENCODER, "precision": "x"}]}, "report.bases: precision=x: there is no such precision"),
        ({"rerankers": "no/such/model"}, "report.rerankers=no/such/model: there is no such model"),
        ({"rerankers": ENCODER}, f"report.rerankers={ENCODER}: is no cross-encoder: its config.json names BertModel"),
        ({"fusions": ["bm25+bsae"]}, "report.fusions=bm25+bsae: there is no system 'bsae'; did you mean 'base'?"),
        ({"rerankers": [{"model": ENCODER, "first": "e5"}]}, "report.rerankers: first=e5: there is no system 'e5'"),
        ({"rerankers": [{"model": ENCODER, "depths": [0]}]}, "report.rerankers.depths=[0]: [0] are no depths"),
        ({"bases": [{"model": ENCODER, "name": "queries"}]}, "report.bases: name=queries: is the name of another"),
        (
            {"bases": [{"model": ENCODER, "name": "base_with_x"}]},
            "report.bases: name=base_with_x: is kept for a system",
        ),
        ({"bases": [{"model": ENCODER, "name": "base_half_words"}]}, "report.bases: name=base_half_words: is kept"),
    ],
)
def test_systems_that_cannot_be_built_are_refused_before_anything_runs(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        replace(small_config(), **settings).identity()
    assert str(caught.value).startswith(said)


def test_models_count_by_their_content_and_systems_by_how_they_are_made() -> None:
    named = replace(small_config(), bases=[ENCODER])
    assert identity_of(named) == identity_of(replace(small_config(), bases=ENCODER))
    assert identity_of(named) != identity_of(small_config())
    assert identity_of(replace(small_config(), fusions=["30%bm25+70%base"])) != identity_of(small_config())
    shorter = {"model": ENCODER, "max_tokens": 32}
    assert identity_of(replace(named, bases=[shorter])) != identity_of(named)


def test_identity_holds_the_benchmarks_content_and_no_place(tmp_path: Path) -> None:
    first, second = write_benchmark(tmp_path / "a" / "tiny"), write_benchmark(tmp_path / "b" / "tiny")
    assert identity_of(small_config(str(first))) == identity_of(small_config(str(second)))
    assert identity_of(small_config(str(first))) != identity_of(small_config())
    text = str(identity_of(small_config(str(first))))
    assert str(tmp_path) not in text
    assert "latency" not in text


def test_a_log_of_queries_is_identified_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("bees")
    (tmp_path / "b.txt").write_text("bees")
    with_log = [identity_of(replace(small_config(), queries=str(tmp_path / name))) for name in ("a.txt", "b.txt")]
    assert with_log[0] == with_log[1] != identity_of(small_config())
    with pytest.raises(UserError, match=r"queries\.path=.*gone: does not exist"):
        replace(small_config(), queries=str(tmp_path / "gone")).identity()


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


def test_a_folder_without_judged_queries_is_no_benchmark_unless_it_is_the_collection(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing is asked here")
    with pytest.raises(UserError, match="holds no judged queries"):
        small_config(str(tmp_path)).identity()
    followed = replace(small_config(str(tmp_path)), origins={"benchmark": "collection"})
    assert followed.identity()["benchmark"] == ""


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

"""Judged queries as demonstrations: which are drawn, with which document, and what is told before a run begins."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.prompts.demonstrations.judged import Titled, judged_demonstrations, look_at_judged
from tests.support.corpus import write_corpus

DOCUMENTS = {f"d{number}": Titled(f"title {number}", f"text {number}") for number in range(10)}


def config(**changes: object) -> DemonstrationsConfig:
    return DemonstrationsConfig(**{"collection": "", "seed": 0, **changes})  # type: ignore[arg-type]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "beir", 40)


def test_takes_judged_queries(collection: Path) -> None:
    judged = config(collection=str(collection), from_qrels=4, seed=3)
    pool = judged_demonstrations(judged, DOCUMENTS)
    assert len(pool) == len({d.query_id for d in pool}) == 4
    for demonstration in pool:
        number = demonstration.query_id.removeprefix("q")
        assert (demonstration.title, demonstration.document) == (f"title {number}", f"text {number}")
        assert demonstration.query.endswith(f"in town {number}")
    assert judged_demonstrations(judged, DOCUMENTS) == pool
    assert judged_demonstrations(replace(judged, from_qrels=7), DOCUMENTS)[:4] == pool, "more are added behind"
    assert judged_demonstrations(replace(judged, seed=4), DOCUMENTS) != pool


def test_takes_the_best_judged_document_that_exists(collection: Path) -> None:
    lines = ["q0\td9\t1", "q0\td8\t2", "q0\td7\t2", "q0\tgone\t3", "q1\td1\t0", "q2\tgone\t1", "unknown\td1\t1"]
    (collection / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]))
    judged = config(collection=str(collection), from_qrels=1)
    assert [(d.query_id, d.document) for d in judged_demonstrations(judged, DOCUMENTS)] == [("q0", "text 7")]
    with pytest.raises(UserError, match="only 1 judged queries have a relevant document") as caught:
        judged_demonstrations(replace(judged, from_qrels=2), DOCUMENTS)
    assert caught.value.where == "demonstrations.from_qrels=2"
    assert caught.value.remedy == "set it to 1 or fewer; queries that are shown are not measured"


def test_judged_queries_need_a_collection_that_has_them(tmp_path: Path, collection: Path) -> None:
    (tmp_path / "bare").mkdir()
    (collection / "qrels" / "test.tsv").unlink()
    for folder in ("", str(tmp_path / "bare"), str(tmp_path / "missing"), str(collection)):
        with pytest.raises(UserError, match="5 judged queries wanted, but there is no collection") as caught:
            judged_demonstrations(config(collection=folder, from_qrels=5), {})
        assert caught.value.where == "demonstrations.from_qrels"


def test_compressed_queries_serve_as_well(collection: Path) -> None:
    judged = config(collection=str(collection), from_qrels=4, seed=3)
    pool = judged_demonstrations(judged, DOCUMENTS)
    for name in ("queries.jsonl", "qrels/test.tsv"):
        file = collection / name
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert judged_demonstrations(judged, DOCUMENTS) == pool


def test_what_leaves_no_judged_query_to_measure_with_is_told(collection: Path) -> None:
    judged = config(collection=str(collection), from_qrels=10)
    file = collection / "qrels" / "test.tsv"
    said = look_at_judged(judged, "test")
    assert said == (
        f"demonstrations.from_qrels=10 shows all 10 judged queries of {file}, and none is left to measure with; "
        "set it to 9 or fewer"
    )
    assert look_at_judged(replace(judged, from_qrels=9), "test") == ""
    assert look_at_judged(judged, "dev") == "", "there is no such split"
    lines = file.read_text().splitlines()
    file.with_name("dev.tsv").write_text("\n".join(lines[:6]))
    file.write_text("\n".join([lines[0], *lines[6:]]))
    assert f"shows all 5 judged queries of {file}" in look_at_judged(judged, "test")
    for count, drawn in ((10, 10), (9, 9), (5, 5)):
        shown = {each.query_id for each in judged_demonstrations(replace(judged, from_qrels=count), DOCUMENTS)}
        are_all = {f"q{number}" for number in range(5, 10)} <= shown
        assert len(shown) == drawn
        assert bool(look_at_judged(replace(judged, from_qrels=count), "test")) is are_all, "the same are drawn"


def test_the_remedy_leaves_one_to_measure_with_however_many_splits_there_are(collection: Path) -> None:
    file = collection / "qrels" / "test.tsv"
    header, *lines = file.read_text().splitlines()
    judged, told = config(collection=str(collection), from_qrels=10), set[str]()
    for number, line in enumerate(lines):
        file.write_text("\n".join([header, line]))
        file.with_name("train.tsv").write_text("\n".join([header, *lines[:number], *lines[number + 1 :]]))
        said = look_at_judged(judged, "test")
        assert f"shows the only judged query of {file}, and none is left to measure with; " in said
        found = re.search(r"set it to (\d+)( or fewer)?$", said)
        assert found, said
        remedy = int(found[1])
        assert bool(found[2]) is (remedy > 0)
        assert look_at_judged(replace(judged, from_qrels=remedy), "test") == ""
        assert look_at_judged(replace(judged, from_qrels=remedy + 1), "test")
        told.add(found[1])
    assert told == {str(number) for number in range(10)}, "the order in which queries are drawn tells"


def test_more_than_there_are_is_refused_before_documents_are_read(collection: Path) -> None:
    with pytest.raises(UserError, match="only 10 judged queries have a relevant document") as caught:
        look_at_judged(config(collection=str(collection), from_qrels=11), "test")
    assert caught.value.remedy.startswith("set it to 10 or fewer")

"""Where demonstrations come from: mistakes are refused by their key, and the identity is the content of the source."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.prompts.demonstrations.config import BUNDLED, DemonstrationsConfig, Selection
from engine.search.encoder import EncoderConfig
from tests.support.corpus import write_corpus


def config(path: Path | str = "", **changes: object) -> DemonstrationsConfig:
    return DemonstrationsConfig(path=str(path), **{"collection": "", "seed": 0, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["missing.jsonl", "bundled:unknown", "."])
def test_a_path_that_is_no_file_is_refused_before_anything_starts(name: str) -> None:
    with pytest.raises(UserError, match=f"no such file: {name}") as caught:
        config(name).identity()
    assert caught.value.where == "demonstrations.path"
    assert "bundled:general, bundled:python" in caught.value.remedy


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a"])
def test_a_file_of_another_ending_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"document": "a", "query": "b"}')
    assert config(tmp_path / name).pool_file() == tmp_path / name


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        (
            {"path": "a.jsonl", "from_qrels": 5},
            "demonstrations.from_qrels",
            "two sources of demonstrations: demonstrations.path=a.jsonl and",
        ),
        ({"from_qrels": -1}, "demonstrations.from_qrels=-1", "-1 is too small"),
        ({"per_prompt": 0}, "demonstrations.per_prompt=0", "0 is too small"),
        ({"num_sets": 0}, "demonstrations.num_sets=0", "0 is too small"),
        ({"max_document_tokens": -3}, "demonstrations.max_document_tokens=-3", "-3 is too small"),
        ({"min_per_prompt": 4}, "demonstrations.min_per_prompt=4", "4 is more than per_prompt=3"),
    ],
)
def test_wrong_numbers_are_refused(changes: dict[str, object], where: str, what: str) -> None:
    with pytest.raises(UserError) as caught:
        config(**{"path": "", **changes})  # type: ignore[arg-type]
    assert what in caught.value.what
    assert caught.value.where == where


def test_the_identity_is_the_content_not_the_path(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    for file in (first, second):
        file.write_text('{"document": "Bees make honey.", "query": "who makes honey"}\n')
    assert config(first).identity() == config(second).identity()
    with second.open("a") as stream:
        stream.write('{"document": "Ice floats.", "query": "ice float"}\n')
    assert config(first).identity() != config(second).identity()
    assert config("").identity() == config("bundled:general").identity()


def test_judgements_are_part_of_the_identity_only_when_used(tmp_path: Path) -> None:
    collection = write_corpus(tmp_path / "beir", 40)
    used, unused = config(collection=str(collection), from_qrels=2), config(collection=str(collection))
    before = used.identity(), unused.identity()
    with (collection / "qrels" / "test.tsv").open("a") as stream:
        stream.write("q0\td5\t1\n")
    assert used.identity() != before[0]
    assert unused.identity() == before[1]


def test_every_file_of_judgements_that_is_read_is_part_of_the_identity_and_no_other(tmp_path: Path) -> None:
    collection = write_corpus(tmp_path / "beir", 40)
    judged = config(collection=str(collection), from_qrels=2)
    packed = collection / "queries.jsonl.gz"
    packed.write_bytes(gzip.compress((collection / "queries.jsonl").read_bytes()))
    (collection / "queries.jsonl").unlink()
    seen = [judged.identity()]
    packed.write_bytes(gzip.compress(b'{"_id": "q0", "text": "another"}'))
    seen.append(judged.identity())
    (collection / "qrels" / "train.jsonl").write_text('{"query-id": "q1", "corpus-id": "d1", "score": 1}')
    seen.append(judged.identity())
    assert len({str(identity) for identity in seen}) == 3
    (collection / "qrels" / "README.md").write_text("about the judgements")
    assert judged.identity() == seen[-1]


@pytest.mark.parametrize("name", ["", *BUNDLED])
def test_pools_that_ship_are_named_in_the_config(name: str) -> None:
    assert config(name).pool_file() == BUNDLED[name or "bundled:general"]


def test_the_encoder_is_part_of_the_identity_only_where_likeness_counts() -> None:
    first, second = (EncoderConfig("bundled:all-minilm-l6-v2", "", "", tokens) for tokens in (64, 128))
    assert config(encoder=first).identity() == config(encoder=second).identity()
    nearest = [config(select=Selection.nearest, encoder=encoder).identity() for encoder in (first, second)]
    assert nearest[0] != nearest[1]

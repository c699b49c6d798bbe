"""No text is on both sides of the split: documents that share one are held out together, or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.documents import DocumentsFolder
from engine.examples.split import draw_split

Passage = tuple[str, str, str]
"""The id of a document, and title and text of a passage of it."""


def write_documents(folder: Path, passages: Sequence[Passage]) -> DocumentsFolder:
    rows = [
        {"passage_id": f"{name}#{row}", "document_id": name, "title": title, "text": text}
        for row, (name, title, text) in enumerate(passages)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), folder / "passages.parquet")
    return DocumentsFolder(folder)


def held_out(names: Sequence[str], split_of: Callable[[str], str]) -> set[str]:
    return {name for name in names if split_of(name) == "validation"}


def distinct(count: int) -> list[Passage]:
    """Documents of one to three passages that no other has."""
    return [(f"d{row}", "", f"text {row} {part}") for row in range(count) for part in range(1 + row % 3)]


def test_the_share_is_about_what_was_asked_for_and_a_larger_one_only_adds(tmp_path: Path) -> None:
    names, documents = [f"d{row}" for row in range(4000)], write_documents(tmp_path, distinct(4000))
    drawn = held_out(names, draw_split(documents, 0, 0.1))
    assert 0.08 < len(drawn) / len(names) < 0.12
    assert drawn == held_out(names, draw_split(documents, 0, 0.1))
    assert drawn != held_out(names, draw_split(documents, 1, 0.1))
    assert drawn < held_out(names, draw_split(documents, 0, 0.3))
    assert not held_out(names, draw_split(documents, 0, 0.0))


@pytest.mark.parametrize("seed", range(5))
def test_one_text_under_two_ids_is_on_one_side(tmp_path: Path, seed: int) -> None:
    passages = [*distinct(1000), *(("copy of " + name, title, text) for name, title, text in distinct(1000))]
    documents = write_documents(tmp_path, passages)
    split_of = draw_split(documents, seed, 0.1)
    originals = [f"d{row}" for row in range(1000)]
    assert all(split_of(name) == split_of("copy of " + name) for name in originals)
    assert 0.07 < len(held_out(originals, split_of)) / 1000 < 0.13


def test_no_text_of_a_held_out_document_is_trained_on(tmp_path: Path) -> None:
    chance = random.Random(0)
    passages = [(f"d{row}", "", f"text {chance.randrange(6000)}") for row in range(1500) for _ in range(2)]
    split_of = draw_split(write_documents(tmp_path, passages), 0, 0.2)
    texts: dict[str, set[str]] = {"train": set(), "validation": set()}
    for name, _, text in passages:
        texts[split_of(name)].add(text)
    assert texts["validation"]
    assert texts["train"].isdisjoint(texts["validation"])


def test_a_text_is_what_the_encoder_reads_with_its_title(tmp_path: Path) -> None:
    same = [(f"{side}{row}", title, text) for row in range(60) for side, title, text in pair(row)]
    split_of = draw_split(write_documents(tmp_path, same), 0, 0.5)
    assert all(split_of(f"a{row}") == split_of(f"b{row}") for row in range(60))
    other = [(f"{side}{row}", side, f"text {row}") for row in range(60) for side in "ab"]
    split_of = draw_split(write_documents(tmp_path, other), 0, 0.5)
    assert any(split_of(f"a{row}") != split_of(f"b{row}") for row in range(60)), "other titles are other texts"


def test_white_space_makes_no_other_text(tmp_path: Path) -> None:
    same = [
        (f"{side}{row}", "", f"text{space}{row}") for row in range(60) for side, space in (("a", " "), ("b", "\r\n"))
    ]
    split_of = draw_split(write_documents(tmp_path, same), 0, 0.5)
    assert {split_of(f"a{row}") for row in range(60)} == {"train", "validation"}
    assert all(split_of(f"a{row}") == split_of(f"b{row}") for row in range(60))


def pair(row: int) -> list[Passage]:
    """One text in two forms: with a title, and with the title in the text."""
    return [("a", "Bees", f"text {row}"), ("b", "", f"Bees\ntext {row}")]


def test_documents_outside_the_group_change_nothing(tmp_path: Path) -> None:
    passages, names = distinct(400), [f"d{row}" for row in range(200)]
    fewer = held_out(names, draw_split(write_documents(tmp_path, [p for p in passages if p[0] in names]), 0, 0.3))
    shuffled = random.Random(1).sample(passages, len(passages))
    assert held_out(names, draw_split(write_documents(tmp_path, shuffled), 0, 0.3)) == fewer


@pytest.mark.parametrize("seed", range(30))
def test_a_licence_in_most_documents_does_not_hold_out_most_of_them(tmp_path: Path, seed: int) -> None:
    names = [f"d{row}" for row in range(300)]
    documents = write_documents(tmp_path, distinct(300) + [(name, "", "All rights reserved.") for name in names[:200]])
    drawn = held_out(names, draw_split(documents, seed, 0.2))
    assert drawn
    assert drawn <= set(names[200:])


@pytest.mark.parametrize("at_once", [1, 7])
def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    names, documents = [f"d{row}" for row in range(100)], write_documents(tmp_path, distinct(100))
    whole = held_out(names, draw_split(documents, 0, 0.3))
    monkeypatch.setattr("engine.examples.split._ROWS_AT_ONCE", at_once)
    assert held_out(names, draw_split(documents, 0, 0.3)) == whole

"""Which fields of rows are meant, where the rows do not agree."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.documents.readers import rows as rows_module
from engine.documents.readers.document import SourceDocument, content_id
from engine.documents.readers.fields import Fields
from engine.errors import UserError
from tests.support.source_files import jsonl, put, read


def test_fields_that_the_first_row_lacks_are_read(tmp_path: Path) -> None:
    rows = [
        {"text": "first"},
        {"_id": "2", "title": "Two", "text": "second"},
        {"_id": "3", "title": "Three", "text": "c"},
    ]
    assert read(put(tmp_path / "a.jsonl", jsonl(*rows))) == [
        SourceDocument(content_id("", "first"), "", "first"),
        SourceDocument("2", "Two", "second"),
        SourceDocument("3", "Three", "c"),
    ]


def test_a_row_is_read_by_whichever_usual_name_it_has(tmp_path: Path) -> None:
    """One row of twelve is unlike the others, wherever it stands; none is lost."""
    for place in (0, 5, 11):
        rows = [{"id": str(n), "heading": f"T{n}", "body": f"words {n}"} for n in range(12)]
        rows[place] = {"_id": str(place), "title": f"T{place}", "text": f"words {place}"}
        expected = [SourceDocument(str(n), f"T{n}", f"words {n}") for n in range(12)]
        assert read(put(tmp_path / "a.jsonl", jsonl(*rows))) == expected


def test_any_mixture_of_usual_names_loses_no_text(tmp_path: Path) -> None:
    chance = random.Random(0)
    names = (("_id", "id", "docno"), ("title", "heading"), ("text", "Contents", "body"))
    for _ in range(20):
        rows = []
        for number in range(30):
            id_name, title_name, text_name = map(chance.choice, names)
            row: dict[str, object] = {text_name: f"text {number}", id_name: number}
            if chance.random() < 0.5:
                row |= {title_name: f"title {number}", "url": "x"}
            rows.append(row)
        documents = read(put(tmp_path / "a.jsonl", jsonl(*rows)))
        assert [(d.id, d.text, d.reason) for d in documents] == [(str(n), f"text {n}", "") for n in range(30)]
        assert [bool(d.title) for d in documents] == ["url" in row for row in rows]


def test_the_file_set_is_looked_at_as_a_whole_and_later_files_may_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "LOOK_ROWS", 3)
    put(tmp_path / "a.jsonl", jsonl({"note": "no text here"}, {"id": 1, "text": "one"}))
    put(tmp_path / "b.jsonl", jsonl(*({"docno": n, "headline": "H", "content": f"c{n}"} for n in range(2, 6))))
    documents = read(tmp_path)
    assert (documents[0].text, documents[0].reason) == ("", "no field 'text'")
    assert documents[1:] == [
        SourceDocument("1", "", "one"),
        *(SourceDocument(f"{n}", "H", f"c{n}") for n in range(2, 6)),
    ]


def test_a_name_that_one_row_has_does_not_decide_for_all(tmp_path: Path) -> None:
    rows = [{"_id": "odd", "id": "0", "text": "one"}, *({"id": str(n), "text": f"t{n}"} for n in range(1, 5))]
    assert [document.id for document in read(put(tmp_path / "a.jsonl", jsonl(*rows)))] == ["0", "1", "2", "3", "4"]


def test_a_text_in_another_field_is_told_and_not_guessed(tmp_path: Path) -> None:
    """An empty text may be meant, and beside it `document` is often the name of a file."""
    rows = [{"_id": str(n), "text": f"t{n}", "document": "a.pdf"} for n in range(3)]
    rows.append({"_id": "3", "text": "", "document": "a.pdf"})
    documents = read(put(tmp_path / "a.jsonl", jsonl(*rows)))
    assert [d.reason for d in documents] == ["", "", "", "no text in 'text', but in 'document'"]
    assert documents[3].id == "3"


def test_a_field_that_was_set_is_the_only_one_that_is_read(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "body": "one"},
        {"id": "b", "text": "two"},
        {"id": "c", "other": "three"},
        {"id": "d", "body": ""},
    ]
    documents = read(put(tmp_path / "a.jsonl", jsonl(*rows)), fields=Fields(text="body"))
    assert [(d.text, d.reason) for d in documents] == [
        ("one", ""),
        ("", "no text in 'body', but in 'text'"),
        ("", "no field 'body'"),
        ("", ""),
    ]


def test_a_title_alone_is_a_document(tmp_path: Path) -> None:
    documents = read(put(tmp_path / "a.jsonl", jsonl({"id": 1, "text": "x"}, {"id": 2, "title": "Only this"})))
    assert documents[1] == SourceDocument("2", "Only this", "")


def test_a_field_of_an_id_is_no_text(tmp_path: Path) -> None:
    rows = [{"document": "a", "text": "one"}, {"document": "b"}]
    documents = read(put(tmp_path / "a.jsonl", jsonl(*rows)), fields=Fields(id="document"))
    assert [(d.id, d.text, d.reason) for d in documents] == [("a", "one", ""), ("b", "", "no field 'text'")]


def test_rows_before_a_mistake_are_given_first(tmp_path: Path) -> None:
    from engine.documents.readers.source import Reader, find_source, read_documents

    file = put(tmp_path / "a.jsonl", '{"text": "one"}\n{"text": "two"}\n{"text"\n')
    documents = read_documents(find_source(str(file), Reader.auto))
    assert [next(documents).text, next(documents).text] == ["one", "two"]
    with pytest.raises(UserError, match="malformed JSON"):
        next(documents)


def test_what_is_held_is_bounded_by_rows_and_by_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.storage import lines

    monkeypatch.setattr(rows_module, "LOOK_CHARACTERS", 3_000)
    taken = 0

    def counting(file: Path) -> object:
        nonlocal taken
        for item in lines.read_objects(file):
            taken += 1
            yield item

    monkeypatch.setattr(rows_module, "read_objects", counting)
    file = put(tmp_path / "a.jsonl", jsonl(*({"text": f"{n:04}" * 250} for n in range(100))))
    documents = rows_module.read_jsonl([file], Fields())
    assert next(documents).text.startswith("0000")
    assert taken == 3


def test_a_set_field_that_no_early_row_has_is_refused_with_the_number_of_rows(tmp_path: Path) -> None:
    rows = [{"text": f"t{n}"} for n in range(1000)]
    file = put(tmp_path / "a.jsonl", jsonl(*rows, {"kop": "late", "text": "x"}))
    with pytest.raises(UserError, match=r"no field 'kop' in the first 1,000 rows") as caught:
        read(file, fields=Fields(title="kop"))
    assert caught.value.where == f"{file}:1"


def test_a_first_line_that_is_a_text_is_not_written_out_in_full() -> None:
    with pytest.raises(UserError) as caught:
        Fields().check(["17", "word " * 500], "FILE:1")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("value", "name"), [(1.0, "1"), (2.5, "2.5"), ("3.0", "3"), ("v3.0", "v3.0"), (1e20, "1" + "0" * 20), (7, "7")]
)
def test_whole_numbers_are_ids_without_a_point(tmp_path: Path, value: object, name: str) -> None:
    assert read(put(tmp_path / "a.jsonl", jsonl({"_id": value, "text": "x"})))[0].id == name

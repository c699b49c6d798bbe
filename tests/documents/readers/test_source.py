"""Every form of documents that is read, and every mistake with its place and remedy."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.documents.readers.document import SourceDocument
from engine.documents.readers.files import html_to_text, other_files, parse_file
from engine.documents.readers.rows import Fields, content_id
from engine.documents.readers.source import Reader, find_source, read_documents
from engine.errors import UserError
from tests.support.paths import SHARED_DATA

needs_data = pytest.mark.skipif(not SHARED_DATA.exists(), reason=f"{SHARED_DATA} is absent")

BEES = SourceDocument("1", "Bees", "They dance.")
ANTS = SourceDocument("2", "", "They follow trails;\nall day.")
ROWS = [{"_id": "1", "title": "Bees", "text": BEES.text}, {"_id": "2", "title": "", "text": ANTS.text}]


def read(path: Path, reader: Reader = Reader.auto, fields: Fields | None = None) -> list[SourceDocument]:
    return list(read_documents(find_source(str(path), reader), fields))


def jsonl(*rows: object) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def put(file: Path, content: bytes | str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def put_parquet(file: Path, rows: list[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), file)


WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "corpus.jsonl": ("beir", lambda file: put(file, jsonl(*ROWS))),
    "corpus.jsonl.gz": ("beir", lambda file: put(file, gzip.compress(jsonl(*ROWS)))),
    "rows.ndjson": ("jsonl", lambda file: put(file, b"\xef\xbb\xbf" + jsonl(*ROWS) + b"\n\n")),
    "rows.jsonl.gz": ("jsonl", lambda file: put(file, gzip.compress(jsonl(*ROWS)))),
    "rows.csv": (
        "csv",
        lambda file: put(file, '_id,title,text\n1,Bees,They dance.\n\n2,,"They follow trails;\nall day."\n'),
    ),
    "rows.tsv": (
        "csv",
        lambda file: put(file, 'ID\tTitle\tText\n1\tBees\tThey dance.\n2\t\t"They follow trails;\nall day."'),
    ),
    "semicolons.csv": (
        "csv",
        lambda file: put(file, 'id;title;body\n1;Bees;They dance.\n2;;"They follow trails;\nall day."\n'),
    ),
    "rows.csv.gz": (
        "csv",
        lambda file: put(
            file, gzip.compress(b'id|title|content\n1|Bees|They dance.\n2||"They follow trails;\nall day."\n')
        ),
    ),
    "rows.parquet": ("parquet", lambda file: put_parquet(file, ROWS)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_table_form_gives_the_same_documents(tmp_path: Path, name: str) -> None:
    reader, write = WRITERS[name]
    write(tmp_path / name)
    source = find_source(str(tmp_path), Reader.auto)
    assert source.reader.value == reader
    assert list(read_documents(source)) == [BEES, ANTS]
    assert read(tmp_path / name) == [BEES, ANTS]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_folder_of_shards_is_read_in_order_of_names(tmp_path: Path, suffix: str) -> None:
    for name, row in (("b", ROWS[1]), ("a", ROWS[0])):
        file = tmp_path / f"{name}{suffix}"
        put(file, jsonl(row)) if suffix == ".jsonl" else put_parquet(file, [row])
    assert read(tmp_path) == [BEES, ANTS]


def test_the_queries_of_a_beir_folder_are_not_documents(tmp_path: Path) -> None:
    put(tmp_path / "corpus.jsonl", jsonl(ROWS[0]))
    put(tmp_path / "queries.jsonl", jsonl({"_id": "q", "text": "who dances?"}))
    assert read(tmp_path) == [BEES]


def test_missing_ids_come_from_the_content(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jsonl", jsonl({"text": "one"}, {"id": None, "text": "two", "title": "T"}, {"text": None}))
    assert read(file) == [
        SourceDocument(content_id("", "one"), "", "one"),
        SourceDocument(content_id("", "two"), "", "two"),
        SourceDocument(content_id("", ""), "", ""),
    ]


def test_fields_can_be_named_and_numbers_are_ids(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jsonl", jsonl({"nr": 7, "kop": "T", "tekst": "hallo", "text": "no"}))
    assert read(file, fields=Fields("nr", "kop", "tekst")) == [SourceDocument("7", "T", "hallo")]


def test_a_long_csv_field_is_read(tmp_path: Path) -> None:
    text = "word " * 100_000
    assert read(put(tmp_path / "a.csv", f"id,text\n1,{text}\n"))[0].text == text


TREE = {
    "b.txt": "plain\r\ntext",
    "a/guide.md": "---\nkey: value\n---\n\n# The *Guide*\n\nBody.\n",
    "a/late.MD": "Intro.\n\n```\n# not a heading\n```\n\nReal one\n--------\n\nMore.",
    "a.rst": "=====\nTitle\n=====\n\nText.\n",
    "page.html": "<html><head><title>A &amp; B</title><script>x()</script></head><p>One\ntwo<p>Three</html>",
    ".git/notes.txt": "hidden",
    "image.png": "no text",
    "settings.json": "{}",
}


def test_a_tree_of_texts(tmp_path: Path) -> None:
    for name, content in TREE.items():
        put(tmp_path / name, content)
    documents = {document.id: document for document in read(tmp_path)}
    assert list(documents) == sorted(["b.txt", "a/guide.md", "a/late.MD", "a.rst", "page.html"])
    assert documents["b.txt"] == SourceDocument("b.txt", "", "plain\ntext")
    assert documents["a/guide.md"] == SourceDocument("a/guide.md", "The *Guide*", "Body.\n")
    assert documents["a/late.MD"].title == "Real one"
    assert documents["a/late.MD"].text == TREE["a/late.MD"]
    assert documents["a.rst"] == SourceDocument("a.rst", "Title", "Text.\n")
    assert documents["page.html"] == SourceDocument("page.html", "A & B", "One two\nThree")


def test_a_file_of_a_tree_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    put(tmp_path / "good.markdown", "# Bees\nBees make honey.")
    put(tmp_path / "latin.txt", b"caf\xe9")
    put(tmp_path / "wide.txt", "wide".encode("utf-16"))
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
    found = {document.id: (document.title, document.reason) for document in read(tmp_path)}
    assert found == {
        "gone.md": ("", "unreadable"),
        "good.markdown": ("Bees", ""),
        "latin.txt": ("", "not UTF-8"),
        "wide.txt": ("", "not UTF-8"),
    }
    with pytest.raises(UserError, match="is not UTF-8") as caught:
        read(tmp_path / "wide.txt")
    assert "iconv -f UTF-16" in caught.value.remedy


def test_files_of_other_kinds_are_counted(tmp_path: Path) -> None:
    for name in ("a.txt", "b.pdf", "sub/c.PDF", "sub/README", ".hidden.pdf", ".git/d.pdf"):
        put(tmp_path / name, "x")
    assert other_files(tmp_path) == {".pdf": 2, "without ending": 1}


def test_a_single_file_of_a_tree(tmp_path: Path) -> None:
    assert read(put(tmp_path / "one.md", "no heading")) == [SourceDocument("one.md", "", "no heading")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<h1>Top</h1><style>p {}</style><pre>a\n  b</pre>", ("Top", "Top\na\nb")),
        ("a<br>b &lt;tag&gt; <b>c</b>d", ("", "a\nb <tag> cd")),
        ("<![if !x]>kept<![endif]><![weird<p>after", ("", "kept\nafter")),
        ("<ul><li>1<li>2</ul><svg><title>no</title></svg>", ("", "1\n2")),
        ("", ("", "")),
    ],
)
def test_html_is_stripped_to_its_words(source: str, expected: tuple[str, str]) -> None:
    assert html_to_text(source) == expected


@pytest.mark.parametrize("tail", ["<", "<!", "<![", "<![CDATA[", "<!--", "<a href='", "</", "<?", "&#xffffffff;", "&"])
def test_no_markup_is_too_bad(tail: str) -> None:
    assert html_to_text(f"<p>words {tail}")[1].startswith("words")


def test_a_text_file_keeps_every_word() -> None:
    assert parse_file(".txt", "# not markdown") == ("", "# not markdown")


SQUAD = {
    "data": [
        {"title": "A_title", "paragraphs": [{"context": "one", "qas": []}, {"context": "two"}, {"context": "one"}]},
        {"title": "B", "paragraphs": [{"context": "two"}, {"context": "three"}]},
        {"title": "A_title", "paragraphs": [{"context": "four"}]},
    ]
}


def test_squad_paragraphs_are_documents_once(tmp_path: Path) -> None:
    documents = read(put(tmp_path / "train.json", json.dumps(SQUAD, indent=1)))
    found = [(document.id, document.title, document.text) for document in documents]
    assert found == [
        ("A_title#0", "A_title", "one"),
        ("A_title#1", "A_title", "two"),
        ("B#1", "B", "three"),
        ("A_title#3", "A_title", "four"),
    ]


def test_blank_documents_are_numbers_without_end() -> None:
    documents = read_documents(find_source("", Reader.blank))
    assert [next(documents) for _ in range(2)] == [
        SourceDocument("blank-0000001", "", "1"),
        SourceDocument("blank-0000002", "", "2"),
    ]


def test_python_reads_the_interpreter() -> None:
    documents = read_documents(find_source("", Reader.python))
    assert isinstance(next(documents), SourceDocument)


@pytest.mark.parametrize(
    ("name", "content", "where", "what"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": "b"\n', "FILE:2", "malformed JSON"),
        ("a.jsonl", '{"text": "a"}\n"b"\n', "FILE:2", "a JSON str, not an object"),
        ("a.jsonl", "[" * 100_000, "FILE:1", "malformed JSON"),
        (
            "a.jsonl",
            '{"id": "x", "text": "a"}\n\n{"id": "x", "text": "b"}\n',
            "FILE:3",
            "duplicate id 'x', first at FILE:1",
        ),
        ("a.jsonl", '{"id": 1, "words": "a"}\n', "FILE:1", "no field looks like the text; there are: id, words"),
        ("a.jsonl", '{"text": ["a"]}\n', "FILE:1", "field 'text' holds a list"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xe9"}\n', "FILE: byte 24", "not UTF-8: the byte is 0xe9"),
        ("a.csv", "id,text\n1,a\n\n2,b,c\n", "FILE:4", "3 fields where the header has 2"),
        ("a.csv", 'id,text\n1,a\n2,"b\n3,c\n', "FILE:3", "malformed CSV"),
        ("a.csv", "id,text\n1,a\n1,b\n", "FILE:3", "duplicate id '1', first at FILE:2"),
        ("a.csv", b"id,text\n1,\xff\n", "FILE: byte 10", "not UTF-8"),
        ("a.parquet", b"PAR1 nothing of the kind", "FILE", "cannot be read"),
        ("a.txt", b"\xef\xbb\xbfab\x80", "FILE: byte 5", "not UTF-8: the byte is 0x80"),
        ("a.json", '{\n"data": [,]}', "FILE:2", "malformed JSON"),
        ("a.json", '[{"text": "a"}]', "FILE", "not of the SQuAD form"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 99, mtime=0)[:30], "FILE", "cannot be read"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, name: str, content: bytes | str, where: str, what: str) -> None:
    file = put(tmp_path / name, content)
    with pytest.raises(UserError) as caught:
        read(file)
    assert caught.value.where == where.replace("FILE", str(file))
    assert what.replace("FILE", str(file)) in caught.value.what
    assert caught.value.remedy


def test_a_duplicate_in_another_shard_names_both(tmp_path: Path) -> None:
    first, second = (put(tmp_path / name, jsonl(ROWS[1], ROWS[0])) for name in ("a.jsonl", "b.jsonl"))
    with pytest.raises(UserError, match=f"duplicate id '2', first at {first}:1") as caught:
        read(tmp_path)
    assert caught.value.where == f"{second}:1"


def test_a_duplicate_row_of_parquet_is_named(tmp_path: Path) -> None:
    put_parquet(tmp_path / "a.parquet", [*ROWS, ROWS[0]])
    with pytest.raises(UserError, match=r"first at .*: row 1") as caught:
        read(tmp_path)
    assert caught.value.where == f"{tmp_path / 'a.parquet'}: row 3"


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        (Fields(id="idd"), "documents.id_field: did you mean '_id'?"),
        (Fields(title="titel"), "documents.title_field: did you mean 'title'?"),
        (Fields(text="txt"), "documents.text_field: did you mean 'text'?"),
    ],
)
def test_a_wrong_field_suggests_the_right_one(tmp_path: Path, fields: Fields, remedy: str) -> None:
    put_parquet(tmp_path / "a.parquet", ROWS)
    with pytest.raises(UserError, match="no field") as caught:
        read(tmp_path, fields=fields)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("path", "reader", "what", "remedy"),
    [
        ("", Reader.auto, "no documents are named", "collection="),
        ("missing/deep", Reader.auto, "does not exist", "exist up to"),
        ("missing", Reader.jsonl, "does not exist", "exist up to"),
        ("empty", Reader.auto, "holds no readable files", ".txt"),
        ("empty", Reader.parquet, "holds no readable files (.parquet)", "documents.reader"),
        ("empty", Reader.beir, "holds no corpus.jsonl", "BEIR folder"),
        ("mixed", Reader.auto, "several readers: jsonl and tree", "documents.reader="),
        ("jsons", Reader.auto, "holds 2 JSON files", "one of them"),
        ("mixed/a.bin", Reader.auto, "'.bin' tells no reader", "documents.reader"),
        ("mixed", Reader.python, "not read by documents.reader=python", "documents.reader=auto"),
    ],
)
def test_a_wrong_path_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, reader: Reader, what: str, remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("mixed/a.jsonl", "mixed/sub/b.md", "mixed/a.bin", "jsons/a.json", "jsons/b.json"):
        put(tmp_path / name, "")
    with pytest.raises(UserError) as caught:
        find_source(path, reader)
    assert what in caught.value.what
    assert caught.value.where == f"documents.path={path or repr(path)}"
    assert remedy in caught.value.remedy


@needs_data
@pytest.mark.parametrize(
    ("name", "reader", "count"), [("cranfield", "beir", 1400), ("cacm", "beir", 3204), ("korquad", "squad", 961)]
)
def test_real_collections(name: str, reader: str, count: int) -> None:
    """KorQuAD has 964 paragraphs, three of which repeat others."""
    source = find_source(str(SHARED_DATA / name), Reader.auto)
    assert source.reader.value == reader
    ids = [document.id for document in read_documents(source)]
    assert len(ids) == len(set(ids)) == count

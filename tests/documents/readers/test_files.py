"""Documents from trees of text, Markdown, reStructuredText and HTML, and from SQuAD's JSON."""

import json
from pathlib import Path

import pytest

from engine.documents.readers.document import SourceDocument
from engine.documents.readers.files import html_to_text, parse_file
from engine.errors import UserError
from tests.support.source_files import put, read

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
    read_from = {document.id: (document.title, document.reason) for document in read(tmp_path)}
    assert read_from == {
        "gone.md": ("", "unreadable"),
        "good.markdown": ("Bees", ""),
        "latin.txt": ("", "not UTF-8"),
        "wide.txt": ("", "not UTF-8"),
    }
    with pytest.raises(UserError, match="is not UTF-8") as caught:
        read(tmp_path / "wide.txt")
    assert "iconv -f UTF-16" in caught.value.remedy


def test_a_single_file_of_a_tree(tmp_path: Path) -> None:
    assert read(put(tmp_path / "one.md", "no heading")) == [SourceDocument("one.md", "", "no heading")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<h1>Top</h1><style>p {}</style><pre>a\n  b</pre>", ("Top", "Top\na\nb")),
        ("a<br>b &lt;tag&gt; <b>c</b>d", ("", "a\nb <tag> cd")),
        ("<![if !x]>kept<![endif]><![weird<p>after", ("", "kept\nafter")),
        ("<p>a<!--[if lt IE 9]><script src='x.js'></script><![endif]--><p>b<!-- c --><p>d", ("", "a\nb\nd")),
        ("<!--[if !IE]><!-->a<!--<![endif]-->b<!--[if IE]>no<![endif]--> c", ("", "ab c")),
        ("<!-->a<!--->b<!-- no --!>c<!-- no -- >d", ("", "abcd")),
        ("<p>x</p><!<![endif]>[<p>rest</p>", ("", "x\n[\nrest")),
        ("a<![CDATA[ <p>no ]]>b<![CDATA[<p>c", ("", "ab\nc")),
        ("<ul><li>1<li>2</ul><svg><title>no</title></svg>", ("", "1\n2")),
        ("", ("", "")),
    ],
)
def test_html_is_stripped_to_its_words(source: str, expected: tuple[str, str]) -> None:
    assert html_to_text(source) == expected


@pytest.mark.parametrize("beginning", ["<![CDATA[", "<!--"])
def test_beginnings_without_an_end_take_time_that_grows_with_the_page(beginning: str) -> None:
    """Looking for the end of each of them to the end of the page would take half an hour."""
    assert html_to_text("<p>words</p>" + f"{beginning} " * 200_000)[1].startswith("words")


@pytest.mark.parametrize("tail", ["<", "<!", "<![", "<![CDATA[", "<!--", "<a href='", "</", "<?", "&#xffffffff;", "&"])
def test_no_markup_is_too_bad(tail: str) -> None:
    assert html_to_text(f"<p>words {tail}")[1].startswith("words")


TITLED = "Bees\n\nThey dance."


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (TITLED, ("Bees", "They dance.")),
        ("\n \n  Bees \r\n \t\r\n\r\n  They\r\n\r\ndance.\n", ("Bees", "  They\n\ndance.\n")),
        ("x" * 119 + "\n\ntext", ("x" * 119, "text")),
        ("x" * 120 + "\n\ntext", ("", "x" * 120 + "\n\ntext")),
        ("# not markdown", ("", "# not markdown")),
        ("two\nlines\n\nthen text", ("", "two\nlines\n\nthen text")),
        ("nothing below\n\n \n", ("", "nothing below\n\n \n")),
        ("-----\n\na rule is no title", ("", "-----\n\na rule is no title")),
        (" \n", ("", " \n")),
    ],
)
def test_the_first_line_of_a_text_is_its_title_where_it_stands_apart(source: str, expected: tuple[str, str]) -> None:
    assert parse_file(".txt", source) == expected


@pytest.mark.parametrize("suffix", [".md", ".markdown", ".rst"])
def test_files_that_write_headings_have_no_other_titles(suffix: str) -> None:
    assert parse_file(suffix, TITLED) == ("", TITLED)
    assert parse_file(".html", TITLED) == ("", "Bees They dance.")


@pytest.mark.parametrize(
    ("suffix", "source", "expected"),
    [
        (".md", "   ## Bees ##\n\nThey dance.", ("Bees", "They dance.")),
        (".md", "# Working with C#\nThey dance.", ("Working with C#", "They dance.")),
        (".md", "#\tC# \t##\t\nThey dance.", ("C#", "They dance.")),
        (".md", "# ##\nThey dance.", ("", "They dance.")),
        (".md", "Bees\n=\nThey dance.", ("Bees", "They dance.")),
        (".md", "\n***\n---\nBees\n--", ("Bees", "\n***\n---\nBees\n--")),
        (".md", "| a |\n|---|\n\n# Bees", ("Bees", "| a |\n|---|\n\n# Bees")),
        (".rst", "\n***\n Bees\n***\nThey dance.", ("Bees", "They dance.")),
        (".rst", "They\ndance\n~~~\n", ("dance", "They\ndance\n~~~\n")),
        (".rst", "Bees\n--\n", ("", "Bees\n--\n")),
    ],
)
def test_headings_of_files_that_write_them(suffix: str, source: str, expected: tuple[str, str]) -> None:
    assert parse_file(suffix, source) == expected


@pytest.mark.parametrize(
    "front",
    [
        "",
        "\n",
        "og:title: A\n",
        "# how\n\n'a b': 1\nlist:\n- x\n  y: z\n",
        "when: 2024-01-01T10:00\r\nurl: http://x:1/\r\nmap: {\n  a\n}\n",
    ],
)
@pytest.mark.parametrize("end", ["---\n", "...\n", "---"])
def test_front_matter_is_no_text(front: str, end: str) -> None:
    assert parse_file(".md", f"---\n{front}{end}")[1] == ""


@pytest.mark.parametrize(
    "source",
    [
        "---\nFirst part, prose.\n\nMore prose: this.\n---\nSecond part.\n",
        "---\n- one\n- two\n\n---\nSecond part.\n",
        "---\nNote: this.\nIt goes on.\n\n---\nSecond part.\n",
    ],
)
def test_what_stands_between_two_rules_stays(source: str) -> None:
    assert "Second part" in parse_file(".md", source)[1]
    assert source.split("\n")[1] in parse_file(".md", source)[1]


@pytest.mark.parametrize("suffix", [".md", ".rst"])
def test_headings_are_looked_for_in_time_that_grows_with_a_line(suffix: str) -> None:
    """A picture in a line is a megabyte of letters; a search that grows with their square would take hours."""
    source = f"Some words\n\n![p](data:image/png;base64,{'aGVs' * 250_000})\n\n" + "lorem ipsum " * 100_000
    assert parse_file(suffix, source) == ("", source)


SQUAD = {
    "data": [
        {"title": "A_title", "paragraphs": [{"context": "one", "qas": []}, {"context": "two"}, {"context": "one"}]},
        {"title": "B", "paragraphs": [{"context": "two"}, {"context": "three"}]},
        {"title": "A_title", "paragraphs": [{"context": "four"}]},
    ]
}


def test_squad_paragraphs_are_documents_once(tmp_path: Path) -> None:
    documents = read(put(tmp_path / "train.json", json.dumps(SQUAD, indent=1)))
    assert [(document.id, document.title, document.text) for document in documents] == [
        ("A_title#0", "A_title", "one"),
        ("A_title#1", "A_title", "two"),
        ("B#1", "B", "three"),
        ("A_title#3", "A_title", "four"),
    ]


def test_a_paragraph_without_a_text_is_no_text(tmp_path: Path) -> None:
    paragraphs = [{"context": None}, {"context": "two"}, {"context": " "}]
    content = json.dumps({"data": [{"title": "A", "paragraphs": paragraphs}]})
    assert read(put(tmp_path / "a.json", content)) == [
        SourceDocument("A#0", "A", "", reason="no context"),
        SourceDocument("A#1", "A", "two"),
        SourceDocument("A#2", "A", "", reason="no context"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "where", "what"),
    [
        ("a.txt", b"\xef\xbb\xbfab\x80", "FILE: byte 5", "not UTF-8: the byte is 0x80"),
        ("a.json", '{\n"data": [,]}', "FILE:2", "malformed JSON"),
        ("a.json", '[{"text": "a"}]', "FILE", "not of the SQuAD form"),
        ("a.json", '{"data": [{"paragraphs": [{"context": ["a"]}]}]}', "FILE", "not of the SQuAD form"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, name: str, content: bytes | str, where: str, what: str) -> None:
    file = put(tmp_path / name, content)
    with pytest.raises(UserError) as caught:
        read(file)
    assert caught.value.where == where.replace("FILE", str(file))
    assert what.replace("FILE", str(file)) in caught.value.what
    assert caught.value.remedy

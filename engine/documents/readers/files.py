"""Reads documents from files: trees of text, Markdown, reStructuredText and HTML, and SQuAD-style JSON.

In: a folder or a file. Out: one `SourceDocument` per file (its relative path is its id) or per paragraph. Its title is
the first heading, the `<title>` of a page, or the first line of a plain text where that stands apart. Markup that
carries no words is removed; the words themselves are left as they are. HTML is read with the standard library's parser,
which needs nothing installed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise, zip_longest
from pathlib import Path

from engine.documents.readers.document import SourceDocument
from engine.errors import UserError
from engine.storage.lines import NotTextError, UnreadableError, read_json, read_text

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<lines>.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_FRONT_KEY = re.compile(r"""["']?\w.*?:(?:[ \t].*)?""")
_FRONT_INSIDE = re.compile(r"[ \t#\]}].*|-(?:[ \t].*)?|")
"""The lines of front matter that begin a value, and those that go on with one or say nothing."""
_FENCED = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1", re.MULTILINE | re.DOTALL)
_HASHES = re.compile(r" {0,3}#{1,6}[ \t]+")
_MARKDOWN_RULE = re.compile(r"(?:=+|-{2,})[ \t]*")
_RST_RULE = re.compile(r"([^\w\s])\1{2,}[ \t]*")
_WORD = re.compile(r"\w")
_COMMENT_END = re.compile(r"--!?\s*>")
_CDATA_END = re.compile(r"\]\]>")
_MARKED_SECTION = re.compile(r"<!\[[^<>]*>?")
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+")
_TITLE_CHARACTERS = 120
"""The first line of a plain text is no title from so many characters on: it is a paragraph."""

_SILENT = {"script", "style", "template", "noscript", "svg", "title"}
"""The elements of a page whose text is not shown in its body."""
_BLOCKS = {"address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption"}
_BLOCKS |= {"figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol"}
_BLOCKS |= {"option", "p", "pre", "section", "table", "tbody", "td", "th", "thead", "tr", "ul"}
"""Elements that start a new line."""


@dataclass(frozen=True, slots=True)
class _Heading:
    """Where a text has its first heading, in lines from 0."""

    title: str
    first: int
    """The first line of it."""
    end: int
    """The line after it."""


def read_tree(path: Path, files: Sequence[Path]) -> Iterator[SourceDocument]:
    """Gives one document per file of `listing.tree_files(path)`; its id is its path below `path`, with forward slashes.

    A file of a folder that is not UTF-8, or cannot be read, is a document that says so.

    Raises:
        UserError: the one file that was named is not UTF-8 or cannot be read, with the file and byte.
    """
    root = path if path.is_dir() else path.parent
    for file in files:
        name = file.relative_to(root).as_posix()
        try:
            source = read_text(file)
        except (NotTextError, UnreadableError) as error:
            if path.is_file():
                raise
            yield SourceDocument(name, "", "", reason="not UTF-8" if isinstance(error, NotTextError) else "unreadable")
            continue
        yield SourceDocument(name, *parse_file(file.suffix.lower(), source))


def parse_file(suffix: str, source: str) -> tuple[str, str]:
    """Returns title and text of a file's content."""
    source = source.replace("\r\n", "\n")
    if suffix in (".md", ".markdown"):
        source = _without_front_matter(source)
        without_code = _FENCED.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), source)
        return _split_heading(source, _markdown_heading(without_code.split("\n")))
    if suffix == ".rst":
        return _split_heading(source, _rst_heading(source.split("\n")))
    return html_to_text(source) if suffix in (".html", ".htm") else _split_first_line(source)


def _without_front_matter(source: str) -> str:
    """Returns a Markdown text without the YAML before it, be it empty; two rules around prose are part of the text."""
    front = _FRONT_MATTER.match(source)
    lines = [line.rstrip() for line in front["lines"].split("\n")] if front else []
    begins = [line for line in lines if not _FRONT_INSIDE.fullmatch(line)]
    is_front = all(map(_FRONT_KEY.fullmatch, begins)) if begins else not any(lines)
    return source[front.end() :] if front and is_front else source


def _split_first_line(source: str) -> tuple[str, str]:
    """Returns the first line of a plain text as its title, and the text below it.

    It is one where it is short, has a letter or digit in it, and stands apart: a blank line follows, and then text.
    """
    first, _, rest = source.lstrip().partition("\n")
    title, text = first.strip(), _BLANK_LINES.sub("", rest)
    stands_apart = text != rest and bool(text.strip())
    if stands_apart and len(title) < _TITLE_CHARACTERS and any(map(str.isalnum, title)):
        return title, text
    return "", source


def _markdown_heading(lines: Sequence[str]) -> _Heading | None:
    """Finds the first heading: a line that begins with `#`, or one that is underlined."""
    for number, (line, below) in enumerate(zip_longest(lines, lines[1:], fillvalue="")):
        if hashes := _HASHES.match(line):
            return _Heading(_without_closing_hashes(line[hashes.end() :].strip()), number, number + 1)
        if _MARKDOWN_RULE.fullmatch(below) and _WORD.search(line):
            return _Heading(line.strip(), number, number + 2)
    return None


def _without_closing_hashes(words: str) -> str:
    """Returns the words of a heading without the hashes that close it, which stand apart: those of `C#` do not."""
    rest = words.rstrip("#")
    return rest.rstrip() if not rest or rest[-1].isspace() else words


def _rst_heading(lines: Sequence[str]) -> _Heading | None:
    """Finds the first heading: a line that is underlined, and may have a line above it too."""
    for number, (line, below) in enumerate(pairwise(lines)):
        if _RST_RULE.fullmatch(below) and _WORD.search(line):
            is_overlined = number > 0 and _RST_RULE.fullmatch(lines[number - 1]) is not None
            return _Heading(line.strip(), number - is_overlined, number + 2)
    return None


def _split_heading(source: str, heading: _Heading | None) -> tuple[str, str]:
    """Returns the words of the heading, and the text, without the heading where it comes first: it is the title."""
    if heading is None:
        return "", source
    lines = source.split("\n")
    stands_first = not any(map(str.strip, lines[: heading.first]))
    return heading.title, "\n".join(lines[heading.end :]).lstrip("\n") if stands_first else source


def html_to_text(source: str) -> tuple[str, str]:
    """Returns title (`<title>`, else the first `<h1>`) and visible text of a page, one line per block element."""
    page = _Page()
    page.feed(source)
    page.close()
    lines = (" ".join(line.split()) for line in "".join(page.words).split("\n"))
    title = " ".join("".join(page.title or page.heading).split())
    return title, "\n".join(line for line in lines if line)


def read_squad(file: Path) -> Iterator[SourceDocument]:
    """Gives one document per distinct paragraph, named `<title>#<index>` by its position in the article, from 0.

    A paragraph that occurs again, in this article or another, is the same document. The form is that of SQuAD
    (Rajpurkar et al. 2016), which KorQuAD and many others share. The file is parsed at once. A paragraph without words
    is a document that says so.

    Raises:
        UserError: malformed JSON with file and line, or JSON of another form.
    """
    content = read_json(file, "repair the file, or set documents.reader to what it holds")
    seen: set[bytes] = set()
    indexes: dict[str, int] = {}
    for title, text in _paragraphs(content, file):
        index = indexes[title] = indexes.get(title, -1) + 1
        fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        if not text.strip():
            yield SourceDocument(f"{title}#{index}", title, "", reason="no context")
        elif fingerprint not in seen:
            seen.add(fingerprint)
            yield SourceDocument(f"{title}#{index}", title, text)


def _paragraphs(content: object, file: Path) -> Iterator[tuple[str, str]]:
    """Gives the title of the article and the text of every paragraph of a parsed file."""
    try:
        for number, article in enumerate(content["data"]):  # type: ignore[index]
            title = str(article.get("title") or f"article-{number}")
            for paragraph in article["paragraphs"]:
                yield title, _context(paragraph["context"])
    except (KeyError, TypeError, AttributeError):
        raise UserError(
            'is not of the SQuAD form {"data": [{"title", "paragraphs": [{"context"}]}]}',
            where=str(file),
            remedy="convert it to JSONL, one object with _id, title and text per line",
        ) from None


def _context(value: object) -> str:
    """Returns the text of a paragraph; empty where the file has null.

    Raises:
        TypeError: it is no text.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"a paragraph is a {type(value).__name__}")
    return value or ""


class _Page(HTMLParser):
    """Collects the visible words of a page, with a line break around every block element."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.title: list[str] = []
        self.heading: list[str] = []
        self._open = dict.fromkeys((*_SILENT, "pre", "h1"), 0)
        self._headings = 0
        self._absent: set[re.Pattern[str]] = set()

    def parse_comment(self, i: int, report: bool = True) -> int:  # noqa: ARG002 (html.parser's signature)
        """Returns where a comment ends, as browsers see it: `<!-->` is one, and `--!>` ends one."""
        return self._end(_COMMENT_END, i + 2)

    def parse_html_declaration(self, i: int) -> int:
        """Returns where a declaration ends; html.parser fails on marked sections that it does not know.

        Those are left out one by one, and what stands between two of them stays: `<![if !IE]>text<![endif]>`.
        """
        if self.rawdata.startswith("<![CDATA[", i) and (end := self._end(_CDATA_END, i)) >= 0:
            return end
        section = _MARKED_SECTION.match(self.rawdata, i)
        return section.end() if section else super().parse_html_declaration(i)

    def _end(self, mark: re.Pattern[str], start: int) -> int:
        """Returns where the next mark ends; -1 where none follows, which is looked for once: a page is fed as a whole.

        A page of beginnings without an end would else take time that grows with its square.
        """
        found = None if mark in self._absent else mark.search(self.rawdata, start)
        if found is None:
            self._absent.add(mark)
        return found.end() if found else -1

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:  # noqa: ARG002 (html.parser's signature)
        if tag in self._open:
            self._open[tag] += 1
        if tag in _BLOCKS:
            self.words.append("\n")
        self._headings += tag == "h1"

    def handle_endtag(self, tag: str) -> None:
        if self._open.get(tag):
            self._open[tag] -= 1
        if tag in _BLOCKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        words = data if self._open["pre"] else data.replace("\n", " ")
        if self._open["title"] and not self._open["svg"]:
            self.title.append(words)
        if any(self._open[tag] for tag in _SILENT):
            return
        self.words.append(words)
        if self._open["h1"] and self._headings == 1:
            self.heading.append(words)

"""No text makes a terminal do anything: only what rich itself writes to it are escape sequences."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Span, Text

from engine.command_line.panels import facts
from engine.runtime.console import Console
from engine.runtime.terminal import Terminal, visible_text
from tests.support.paths import ROOT

ATTACK = "a\x1bc b\x1b]0;title\x1b\\ c\x9b2J d\x9d52;c;eA==\x9c e\x7f\x00"
SEEN = ("\\u001bc", "\\u001b]0;title", "\\u009b2J", "\\u009d52", "\\u007f", "\\u0000")
OURS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
"""The sequences that rich writes: colours, moves of the cursor, and whether it shows."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def drawn(is_terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(Terminal(file=file, width=100, force_terminal=is_terminal, legacy_windows=False)), file


def shown(file: io.StringIO) -> str:
    """What was written, but for what rich itself tells the terminal."""
    text = OURS.sub("", file.getvalue())
    assert not CONTROL.search(text), repr(text)
    return " ".join(text.replace("│", " ").split())


def table() -> Table:
    grid = Table(ATTACK, title=ATTACK)
    grid.add_row(Text(ATTACK, style="bold"))
    return grid


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize(
    "renderable",
    [ATTACK, Text(ATTACK), Panel(escape(ATTACK), title=escape(ATTACK)), facts(ATTACK, {ATTACK: ATTACK}), table()],
)
def test_whatever_is_shown_shows_control_characters(renderable: RenderableType, is_terminal: bool) -> None:
    console, file = drawn(is_terminal)
    console.show(renderable)
    assert all(each in shown(file) for each in SEEN)
    widths = {len(line) for line in OURS.sub("", file.getvalue()).splitlines()}
    assert max(widths) <= 100, "they are part of the layout"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_lines_do_too(is_terminal: bool) -> None:
    for say in ("verbatim", "warn"):
        console, file = drawn(is_terminal)
        getattr(console, say)(ATTACK)
        assert all(each in shown(file) for each in SEEN)
    console, file = drawn(is_terminal)
    console.step(ATTACK, ATTACK)
    assert shown(file).count("\\u001bc") == 2


def test_bars_and_waits_do_too() -> None:
    console, file = drawn(True)
    with console.progress(ATTACK, 3, ATTACK) as bar:
        bar.advance(3)
    with console.waiting("model", ATTACK):
        pass
    assert "\\u001bc" in shown(file)


def test_a_style_stays_where_it_is() -> None:
    text = Text("a\x1bb\x9bcd", style="dim", spans=[Span(0, 2, "bold"), Span(2, 5, "red"), Span(5, 6, "blue")])
    seen = visible_text(text)
    assert seen.plain == "a\\u001bb\\u009bcd"
    assert [seen.plain[span.start : span.end] for span in seen.spans] == ["a\\u001b", "b\\u009bc", "d"]
    assert (seen.style, [span.style for span in seen.spans]) == ("dim", ["bold", "red", "blue"])
    assert visible_text(Text("plain")).plain == "plain"


def test_nobody_draws_on_another_terminal() -> None:
    """A console of rich's own would let control characters through."""
    makers = re.compile(r"from rich\.console import [^\n]*\bConsole\b")
    found = [
        path.relative_to(ROOT).as_posix()
        for package in ("engine", "training", "eval")
        for path in sorted((ROOT / package).rglob("*.py"))
        if makers.search(path.read_text())
    ]
    assert found == ["engine/runtime/console.py", "engine/runtime/terminal.py"], "the first is for types"

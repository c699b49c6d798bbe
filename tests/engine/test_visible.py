"""Control characters become escapes that show; nothing else changes, and JSON stays JSON."""

import json

from engine.visible import escape_of, visible


def test_what_a_terminal_would_obey_is_shown() -> None:
    obeyed = [*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0)]
    assert [code for code in obeyed if visible(chr(code)) != f"\\u{code:04x}"] == []
    assert visible("a\x1b]0;b\x1b\\\x9b2J") == "a\\u001b]0;b\\u001b\\\\u009b2J"


def test_all_other_text_stays_as_it_is() -> None:
    text = "한국 é\u00a0😀 tab\t[b]\nline \\u001b"
    assert visible(text) == text


def test_json_stays_the_same_value() -> None:
    value = {"a\x7f\x9b\x1b": "\x00\n"}
    shown = visible(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert shown.isascii()
    assert json.loads(f'"{escape_of(chr(0x9B))}"') == "\x9b"

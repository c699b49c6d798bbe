"""Pages of sweeps are looked up among their templates, and a digest covers what they are made of."""

from __future__ import annotations

from eval.sweeps.identity import STYLES, TEMPLATES, templates_digest
from eval.sweeps.page import render


def test_a_page_escapes_and_has_the_looks_of_the_report() -> None:
    page = render("layout.html", {"title": "<b>", "eyebrow": "e", "lead": "l", "footer": "f"})
    assert "<h1>&lt;b&gt;</h1>" in page
    assert all(style.read_text() in page for style in STYLES)


def test_templates_have_digests_of_their_own() -> None:
    names = [file.name for file in TEMPLATES.glob("*.html")]
    assert len({templates_digest(name) for name in names}) == len(names)

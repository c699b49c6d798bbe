"""Renders judge.html, one self-contained page on which a person marks the results of a pool.

In: a pool. Out: HTML with the whole pool in it, which works without a network and without a server. The looks are the
report's (eval/page/templates/report.css) and a few of its own, which lie apart from the report's, since its fingerprint
covers its templates. Texts are data in a script block, where Jinja2 escapes what could end it, and are shown as text
only; a content security policy allows this one script, by its hash, and nothing from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from engine.text.words import words
from eval.config import TEMPLATES as REPORT_TEMPLATES
from eval.judging.highlight import cut_at_words
from eval.judging.pool import Pool
from eval.judging.sheet import COLUMNS, GRADES

TEMPLATES = Path(__file__).resolve().parent / "templates"
"""The folder with the words, the looks and the script of the page."""
SCRIPTS = ("table.js", "judge.js")
"""The parts of the script, in the order in which they are joined."""
FOLDED_CHARACTERS = 900
"""A longer text is folded until it is asked for."""

TermsOf = Callable[[str], Sequence[str]]


def render_judge_page(pool: Pool, title: str, terms_of: TermsOf = words) -> str:
    """Renders the whole page as text.

    Args:
        pool: what is to be marked.
        title: the name of the run.
        terms_of: gives the terms of a text, by which words of the query are shown in passages.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    styles = [REPORT_TEMPLATES / "report.css", TEMPLATES / "judge.css"]
    return environment.get_template("judge.html").render(
        title=title,
        grades=GRADES,
        data=page_data(pool, terms_of),
        css=Markup("\n".join(style.read_text(encoding="utf-8") for style in styles)),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def page_data(pool: Pool, terms_of: TermsOf) -> dict[str, Any]:
    """Returns what the script of the page reads: queries in their order, each with its results in theirs.

    Titles and texts are in pieces; every second piece is a word of the query (see `cut_at_words`).
    """
    queries = []
    for query_id, query in pool.queries.items():
        wanted = frozenset(terms_of(query))
        results = [
            {
                "passage": result.passage_id,
                "document": result.document_id,
                "title": cut_at_words(result.title, wanted, terms_of),
                "text": cut_at_words(result.text, wanted, terms_of),
                "long": len(result.text) > FOLDED_CHARACTERS,
            }
            for result in pool.results_of(query_id)
        ]
        queries.append({"id": query_id, "text": query, "results": results})
    grades, meanings = list(map(str, GRADES)), list(GRADES.values())
    return {"pool": pool.name, "columns": COLUMNS, "grades": grades, "meanings": meanings, "queries": queries}

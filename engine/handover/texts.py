"""Renders search.py and README.md of a system folder from its settings.

In: system.json as plain values. Out: texts. The templates hold the words; what a system does not use is left out of
both, so that search.py imports no library in vain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.handover.config import TEMPLATES
from engine.handover.engines import engine_names
from engine.search.encoder import QUERIES_ALONE

_BY = {
    "words": "their words (BM25)",
    "meaning": "their meaning (vectors of a text encoder)",
    "words and meaning": "their words (BM25) and their meaning (vectors of a text encoder)",
}


def render_search(settings: Mapping[str, Any]) -> str:
    """Renders the program that searches."""
    return _render("search.py.jinja", settings)


def render_readme(settings: Mapping[str, Any]) -> str:
    """Renders the explanation, with the settings of search engines."""
    return _render("README.md.jinja", settings)


def _render(template: str, settings: Mapping[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(  # Markdown and Python, not HTML
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "json": lambda value: json.dumps(value, ensure_ascii=False),
        "number": lambda value: f"{value:,}",
    }
    return environment.get_template(template).render(template_values(settings))


def template_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns everything that the templates name."""
    words, meaning = "bm25" in settings, "encoder" in settings
    analyser = settings.get("analyser") or {}
    native = settings["native_fusion"]
    weight = settings["weight_of_words"]
    native_weight = native["min_max_weight"] if native else weight
    names = engine_names(analyser.get("language", ""))
    figures = settings["figures"]
    return {
        "title": f"The search of {settings['passages']['count']:,} passages",
        "by": _BY[settings["kind"]],
        "system": settings,
        "figures": figures["systems"] if figures else {},
        **_crossfitted(figures),
        "words": words,
        "meaning": meaning,
        "both": words and meaning,
        "encoder": settings.get("encoder"),
        "reranker": settings.get("reranker"),
        "models": _models(settings),
        "fields": settings["fields"],
        "stemmer": analyser.get("stemmer"),
        "stop_words": analyser.get("stop_words", []),
        "weight": weight,
        "rest": round(1 - weight, 6),
        "native": native,
        "native_weight": native_weight,
        "native_rest": round(1 - native_weight, 6),
        "engines": names,
        "lucene_filters": _lucene_filters(has_stop_words=bool(analyser.get("stop_words")), stems=bool(names.lucene)),
        "alone": QUERIES_ALONE,
        "packages": packages(settings),
        "imports": _imports(words, meaning, "INDEX", "MODEL", "terms"),
        "qdrant_imports": _imports(words, meaning, "BM25", "INDEX", "MODEL", "fuse", "terms"),
    }


def _crossfitted(figures: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns whether a figure is cross-fitted, what this system reaches as handed over, and whether that flatters."""
    systems = figures["systems"] if figures else {}
    this = systems.get(figures["system"], {}) if figures else {}
    seen = this.get("seen")
    return {
        "crossfitted": any("seen" in measured for measured in systems.values()),
        "seen": seen,
        "flatters": seen is not None and seen > this["mean"],
    }


def packages(settings: Mapping[str, Any]) -> list[str]:
    """Lists the packages that a system needs, as pip knows them."""
    has_stemmer = bool((settings.get("analyser") or {}).get("stemmer"))
    needs = {
        "sentence-transformers": bool(_models(settings)),
        "faiss-cpu": "encoder" in settings,
        "bm25s": "bm25" in settings,
        "PyStemmer": has_stemmer,
        "numpy": True,
    }
    return [name for name, is_needed in needs.items() if is_needed]


def _models(settings: Mapping[str, Any]) -> list[str]:
    """Lists the classes of sentence-transformers that a system loads."""
    classes = {"CrossEncoder": "reranker", "SentenceTransformer": "encoder"}
    return [name for name, part in classes.items() if part in settings]


def _lucene_filters(*, has_stop_words: bool, stems: bool) -> list[str]:
    """Lists the token filters of Lucene that come near to the analyser that was measured."""
    rest = ["stop_words"] if has_stop_words and stems else []
    return ["cjk_width", "lowercase", "cjk_bigram", *rest, *(["stem"] if stems else [])]


def _imports(words: bool, meaning: bool, *names: str) -> list[str]:
    """Selects those names that search.py has for a kind of system."""
    has = {"BM25": words, "terms": words, "INDEX": meaning, "MODEL": meaning, "fuse": words and meaning}
    return [name for name in names if has[name]]

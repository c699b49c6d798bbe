"""search.py reads words as BM25 did, and the README's settings are valid and have the numbers of system.json."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.handover.chosen import Chosen
from engine.handover.parts import Words
from engine.handover.settings import measured_figures, system_settings
from engine.handover.texts import packages, render_readme, render_search
from engine.search.analyser import LANGUAGES, MIXED, Analyser, language_of
from engine.search.bm25 import Bm25Index
from tests.support.languages import ARTICLES

ENCODER = {
    "name": "bundled:all-minilm-l6-v2",
    "query_prefix": 'query "q": ',
    "passage_prefix": "",
    "max_tokens": 256,
    "similarity": "cosine",
    "normalise": True,
    "dtype": "float32",
    "dimensions": 384,
}
RERANKER = {"name": "cross-encoder/x", "depth": 20, "max_tokens": 512}
NATIVE = {"queries": 20, "min_max_weight": 0.52, "min_max_kept": 0.93, "reciprocal_kept": 0.81} | {
    "z_score_weight": 0.4,
    "z_score_kept": 0.9,
}
WEIGHTS = {"words": 1.0, "meaning": 0.0, "words and meaning": 0.45}
STRANGE = [
    "Don't re-read São_1 ﬁne",
    "GPU로 2019년에 학습 가",
    "東京タワーGPU で動く",
    "x\u00adx a\u0301b \u200d",
    "ß Straße ΣΑΣ",
    "",
    "?!",
]


def settings_of(kind: str, language: str = "german") -> dict[str, Any]:
    """system.json of a system over three passages."""
    analyser = Analyser(language)
    index = Bm25Index(["a", "b", "c"], ["der Hund bellt", "zwei Hunde", "ein Haus"], terms_of=analyser.terms)
    words = Words(1.5, 0.75, analyser, index) if kind != "meaning" else None
    settings = system_settings(Chosen("base", WEIGHTS[kind], "Because."), words, None, 3) | {"kind": kind}
    if kind != "words":
        settings["encoder"] = ENCODER
    native = NATIVE if kind == "words and meaning" else None
    systems = {"base": {"mean": 0.5, "ci95": (0.4, 0.6)}}
    figures = {"queries": 1234, "of": "judged questions of x", "system": "base", "systems": systems}
    return settings | {"native_fusion": native, "figures": figures, "fields": {}}


@pytest.mark.parametrize("language", [*LANGUAGES, MIXED])
def test_the_program_reads_texts_as_bm25_did(language: str) -> None:
    settings = settings_of("words", language)
    program = ast.parse(render_search(settings))
    functions = [node for node in program.body if isinstance(node, ast.FunctionDef) and node.name == "terms"]
    scope: dict[str, Any] = {"RULES": json.loads(json.dumps(settings["analyser"]))}
    imports = "import re, unicodedata\n"
    if settings["analyser"]["stemmer"]:
        imports += 'import Stemmer\nSTEMMER = Stemmer.Stemmer(RULES["stemmer"])\n'
    exec(imports, scope)
    exec(compile(ast.Module(functions, []), "search.py", "exec"), scope)
    analyser = Analyser(language)
    for text in (*ARTICLES.values(), *STRANGE):
        assert scope["terms"](text) == analyser.terms(text)


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("reranker", [None, RERANKER])
@pytest.mark.parametrize("language", ["german", "korean"])
def test_the_program_is_clean_and_imports_what_it_needs(
    kind: str, reranker: dict[str, Any] | None, language: str, tmp_path: Path
) -> None:
    settings = settings_of(kind, language) | ({"reranker": reranker} if reranker else {})
    text = render_search(settings)
    tree = ast.parse(text)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert ("faiss" in names) == (kind != "words")
    assert ("sentence_transformers" in names) == (kind != "words" or bool(reranker))
    assert "torch" not in names
    assert ("CrossEncoder" in text) == bool(reranker)
    assert ("bm25s" in names) == (kind != "meaning")
    assert ("Stemmer" in names) == (kind != "meaning" and language == "german") == ("PyStemmer" in packages(settings))
    written = [line for line in text.splitlines() if line]
    most = 60 if reranker else 55 if kind == "words and meaning" else 40
    assert len(written) <= most, "it is to be read"
    (tmp_path / "search.py").write_text(text)
    for command in (
        ("check", "--isolated", "--select=E,F,W,I,B,UP", "--ignore=B905"),
        ("format", "--isolated", "--check"),
    ):
        ruff = [sys.executable, "-m", "ruff", *command, "--line-length=110", "--no-cache", "--target-version=py311"]
        done = subprocess.run([*ruff, tmp_path / "search.py"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("language", ["german", "korean", "polish", "mixed"])
@pytest.mark.parametrize("more", [{}, {"reranker": RERANKER, "fields": {"date": "date", "source": "text"}}])
def test_every_block_of_the_readme_is_whole(kind: str, language: str, more: dict[str, Any]) -> None:
    text = render_readme(settings_of(kind, language) | more)
    assert ("`reranker/`" in text) == ("`date`: date, `source`: text" in text) == bool(more)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert {name for name, _ in blocks} == {"json", "python", "sql", ""}
    for name, block in blocks:
        if name == "json":
            method, path, body = re.fullmatch(r"(\w+) (\S+)\n(.*)", block, re.DOTALL).groups()  # type: ignore[union-attr]
            assert method in {"PUT", "GET"}
            assert path
            json.loads(body)
        if name == "python":
            ast.parse(block)
        if name in {"sql", ""}:
            assert block.count("(") == block.count(")")
            assert block.count("{") == block.count("}")
    for heading in ("OpenSearch", "Elasticsearch", "Qdrant", "PostgreSQL with pgvector", "Vespa"):
        assert f"## {heading}\n" in text
    assert "\n\n\n" not in re.sub(r"^```.*?^```$", "-", text, flags=re.MULTILINE | re.DOTALL), "no part leaves a gap"


def mapping_of(readme: str, engine: str) -> dict[str, Any]:
    """The settings of an index."""
    section = readme.split(f"## {engine}\n")[1]
    body = re.search(r"^```json\nPUT passages\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert body
    mapping: dict[str, Any] = json.loads(body[1])
    return mapping


def test_engines_are_given_the_numbers_of_the_system() -> None:
    settings = settings_of("words and meaning")
    readme = render_readme(settings)
    for engine, dimensions in (("OpenSearch", "dimension"), ("Elasticsearch", "dims")):
        mapping = mapping_of(readme, engine)
        index, fields = mapping["settings"]["index"], mapping["mappings"]["properties"]
        assert index["similarity"]["default"] == {"type": "BM25", "k1": 1.5, "b": 0.75}
        assert index["analysis"]["filter"]["stem"] == {"type": "snowball", "language": "German"}
        assert index["analysis"]["filter"]["stop_words"]["stopwords"] == settings["analyser"]["stop_words"]
        assert fields["embedding"][dimensions] == 384
    for part in (
        '"weights": [0.52, 0.48]',
        '"weight": 0.52',
        "With weights 0.4 and 0.6 it keeps 90 % of the first ten passages.",
        "COPY = pg_catalog.german",
        "embedding vector(384)",
        "0.45 * (score - min(score) OVER ())",
        "bm25(terms).k1: 1.5",
        "0.52 * normalize_linear(words) + 0.48 * normalize_linear(meaning)",
        "keeps 93 % of the first ten passages",
        "1,234 judged questions of x",
        f"`{json.dumps(ENCODER['query_prefix'])}`",
    ):
        assert part in readme, part


def test_a_language_without_a_stemmer_says_so() -> None:
    readme = render_readme(settings_of("words", "polish"))
    assert "Lucene, which has no stemmer for this language" in readme
    assert "COPY = pg_catalog.simple" in readme
    assert "analysis" in mapping_of(readme, "OpenSearch")["settings"]["index"]


def test_figures_are_of_the_system_that_is_handed_over() -> None:
    figures = {"mean": 0.5, "ci95": [0.4, 0.6], "to_chosen": None}
    report: dict[str, Any] = {
        "recommendation": {"systems": {"base_words": figures}},
        "retrieval": {"tiny": {"queries": 7}},
        "held_out": {"queries": 9},
        "fingerprints": {"report": "ff"},
    }
    found = measured_figures(report, Chosen("base", 0.3, ""))
    assert found
    assert (found["queries"], found["of"], found["report"]) == (7, "judged questions of tiny", "ff")
    assert found["systems"] == {"base_words": {"mean": 0.5, "ci95": [0.4, 0.6]}}
    assert measured_figures(report, Chosen("base", 0.4, "", is_measured=False)) is None
    assert measured_figures(report, Chosen("base", 0.0, "")) is None, "the report has no such system"
    held_out = measured_figures({**report, "retrieval": {}}, Chosen("base", 0.3, ""))
    assert held_out
    assert (held_out["queries"], held_out["of"]) == (9, "synthetic queries of held-out documents")


def test_cross_fitted_figures_are_marked_and_what_is_handed_over_is_told() -> None:
    fitted = {"mean": 0.595, "ci95": [0.4, 0.6], "seen": 0.628}
    systems = {"bm25": {"mean": 0.5, "ci95": [0.4, 0.6], "seen": None}, "base_words": fitted}
    report: dict[str, Any] = {
        "recommendation": {"systems": systems, "folds": 10},
        "retrieval": {"tiny": {"queries": 7}},
        "held_out": {"queries": 9},
        "fingerprints": {"report": "ff"},
    }
    figures = measured_figures(report, Chosen("base", 0.45, ""))
    assert figures
    assert figures["folds"] == 10
    assert figures["systems"] == {"bm25": {"mean": 0.5, "ci95": [0.4, 0.6]}, "base_words": fitted}
    settings = settings_of("words and meaning") | {"figures": figures}
    readme = render_readme(settings)
    assert "| base_words \u2020 (this one) | 0.595 [0.400, 0.600] |" in readme
    assert "| bm25 | 0.500" in readme
    assert (
        "\n\n\u2020 Cross-fitted: how to search was chosen 10 times, each time without a part of these queries, and "
        "each query is scored by a choice that did not see it; chosen by all of them, as it is handed over with the "
        "weight 0.45 of words, base_words has 0.628 on these queries, which flatters it.\n\n| file |"
    ) in readme
    level = {**figures, "systems": {"base_words": {**fitted, "seen": 0.595}}}
    assert "has 0.595 on these queries.\n" in render_readme({**settings, "figures": level})
    by_words = render_readme(settings_of("words") | {"figures": {**figures, "system": "bm25"}})
    assert "by a choice that did not see it.\n" in by_words, "this one was not chosen so"
    assert "\u2020" not in render_readme(settings_of("words and meaning"))


@pytest.mark.parametrize("language", [*LANGUAGES, "none", "mixed", "unknown", "afrikaans"])
def test_the_language_is_told_by_the_name_of_the_analyser(language: str) -> None:
    assert language_of(Analyser(language).name) == language
    assert language_of("") == "none"

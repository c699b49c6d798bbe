"""The benchmark that ships is fair: no question gives its answer away, no demonstration is one of its questions."""

from __future__ import annotations

import json
import re

import pytest

from engine.artifacts.collection import check_judgements, read_queries
from engine.artifacts.judgements import qrels_file, read_qrels
from engine.documents.readers.python_docs import read_in_fresh_interpreter
from engine.prompts.demonstrations.config import BUNDLED
from tests.support.paths import ROOT

FOLDER = ROOT / "eval" / "benchmarks" / "python_docs"
STOP_WORDS = """
the and for that with this from have has had are was were not but you your can will would should could into onto out how
what when where which who why does did doing done its it's they them their there then than some any all each every one
two only also just like want need get got use used using without over under again after before about because being been
more most much many very same other others another such way too own via per let lets i'm i'd i've my me we our us he she
his her him if is in on at to of or an as so do be by no up it
"""
STOP = frozenset(STOP_WORDS.split())


def stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def content_words(text: str) -> set[str]:
    return {stem(word) for word in re.findall(r"[a-z']{3,}", text.lower()) if word not in STOP}


@pytest.fixture(scope="module")
def passages() -> dict[str, str]:
    return {document.id: f"{document.title} {document.text}" for document in read_in_fresh_interpreter()}


@pytest.fixture(scope="module")
def judged() -> dict[str, dict[str, int]]:
    return read_qrels(FOLDER, "dev") | read_qrels(FOLDER, "test")


def test_sizes(judged: dict[str, dict[str, int]]) -> None:
    queries = read_queries(FOLDER)
    dev, test = read_qrels(FOLDER, "dev"), read_qrels(FOLDER, "test")
    assert len(dev) == 60
    assert len(test) >= 140
    assert not dev.keys() & test.keys()
    assert set(queries) == dev.keys() | test.keys()
    assert all(max(grades.values()) == 2 for grades in judged.values()), "every question has a direct answer"


def test_every_judged_id_exists_on_this_python(passages: dict[str, str], judged: dict[str, dict[str, int]]) -> None:
    assert not {document for grades in judged.values() for document in grades} - passages.keys()
    for split in ("dev", "test"):
        check_judgements(read_qrels(FOLDER, split), read_queries(FOLDER), passages, qrels_file(FOLDER, split))


def test_no_question_contains_a_name_of_an_answer(judged: dict[str, dict[str, int]]) -> None:
    for query, text in read_queries(FOLDER).items():
        words = set(re.findall(r"[a-z_0-9]+", text.lower()))
        for answer in (document for document, grade in judged[query].items() if grade):
            parts = {part.lower() for part in re.split(r"[.\-]", answer) if len(part) >= 3 and not part.isdigit()}
            parts.discard("topics")  # the section of the documentation, in every such id
            assert not parts & words, f"{query} {text!r} names {parts & words} of {answer}"


def test_no_question_shares_over_half_of_its_words_with_an_answer(
    passages: dict[str, str], judged: dict[str, dict[str, int]]
) -> None:
    for query, text in read_queries(FOLDER).items():
        question = content_words(text)
        for answer in (document for document, grade in judged[query].items() if grade):
            shared = question & content_words(passages[answer])
            assert len(shared) <= len(question) / 2, f"{query} {text!r} shares {shared} with {answer}"


def test_no_demonstration_is_a_question_or_an_answer(judged: dict[str, dict[str, int]]) -> None:
    shown = [json.loads(line) for file in BUNDLED.values() for line in file.read_text().splitlines()]
    questions = {text.lower() for text in read_queries(FOLDER).values()}
    assert not questions & {row["query"].lower() for row in shown}
    answers = {document for grades in judged.values() for document, grade in grades.items() if grade}
    assert not answers & {row["document"].split(". ")[0] for row in shown}

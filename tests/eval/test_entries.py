"""Models are listed by name or with settings, and get names that tables and files can have."""

from __future__ import annotations

import pytest

from engine.errors import UserError
from eval.entries import BaseEntry, RerankerEntry, check_depths, read_entries, readable

KEY = "report.bases"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("bundled:all-minilm-l6-v2", "all-minilm-l6-v2"),
        ("intfloat/e5-small-v2", "e5-small-v2"),
        ("owner/name@v1+x", "name-v1-x"),
        ("/data/my model/", "my-model"),
        ("..", ".."),
        ("@", "model"),
    ],
)
def test_the_name_of_a_model_as_people_call_it(model: str, name: str) -> None:
    assert readable(model) == name


def test_one_name_a_list_and_mappings() -> None:
    assert read_entries("a/b", BaseEntry, KEY) == {"b": BaseEntry("a/b")}
    assert read_entries([], BaseEntry, KEY) == read_entries("", BaseEntry, KEY) == {}
    written = ["a/b", {"model": "c/b", "max_tokens": 64}, {"model": "a/b", "name": "other", "query_prefix": "q: "}]
    assert read_entries(written, BaseEntry, KEY, taken=["b"]) == {
        "b-2": BaseEntry("a/b"),
        "b-3": BaseEntry("c/b", max_tokens=64),
        "other": BaseEntry("a/b", "other", query_prefix="q: "),
    }
    [reranker] = read_entries({"model": "x", "depths": [5, 10]}, RerankerEntry, KEY).values()
    assert reranker.depths == (5, 10)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([{"max_tokens": 3}], "report.bases={'max_tokens': 3}: names no model; write report.bases=[MODEL]"),
        ([""], "report.bases=: names no model"),
        ([7], "report.bases=7: names no model"),
        ([{"model": "x", "prefix": "q"}], "report.bases: there is no setting 'prefix'; did you mean"),
        ([{"model": "x", "max_tokens": "many"}], "report.bases: max_tokens=many: "),
        ([{"model": "x", "name": "bm25"}], "report.bases: name=bm25: is the name of another system"),
        ([{"model": "x", "name": "a+b"}], "report.bases: name=a+b: cannot be the name of a system"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_one_line(written: object, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_entries(written, BaseEntry, KEY, taken=["bm25"])
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("depths", [(), (10, 10), (0,), (2000,)])
def test_depths_that_are_none_are_refused(depths: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"report\.rerankers\.depths="):
        check_depths(RerankerEntry("x", depths=depths), "report.rerankers")
    check_depths(RerankerEntry("x"), "report.rerankers")

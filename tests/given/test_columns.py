"""What columns mean is found by usual names, and never guessed where two could be meant."""

from __future__ import annotations

import pytest

from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.given.columns import Role, find_columns


@pytest.mark.parametrize(
    ("names", "form", "roles"),
    [
        (
            "id title context question answers",
            Form.pairs,
            {"query": "question", "passage": "context", "document": "title"},
        ),
        ("anchor positive negative", Form.triplets, {"query": "anchor", "passage": "positive", "negative": "negative"}),
        (
            "guid sentence1 sentence2 labels.label labels.real-label",
            Form.graded,
            {"query": "sentence1", "passage": "sentence2", "score": "labels.label"},
        ),
        ("Text_A Text-B Score", Form.graded, {"query": "Text_A", "passage": "Text-B", "score": "Score"}),
        ("id document label", Form.labelled, {"text": "document", "labels": "label"}),
        ("title text label", Form.labelled, {"text": "text", "labels": "label"}),
        ("sentence", Form.texts, {"text": "sentence"}),
        (
            "query passage doc_id title split",
            Form.pairs,
            {"query": "query", "passage": "passage", "document": "doc_id", "split": "split"},
        ),
    ],
)
def test_usual_names_tell_the_form(names: str, form: Form, roles: dict[str, str]) -> None:
    columns = find_columns(names.split(), {}, None, "F")
    assert columns.form is form
    assert {role.value: name for role, name in columns.names.items()} == roles


@pytest.mark.parametrize(
    ("names", "what"),
    [
        ("query question passage", r"'query' and 'question' could both be the query; set examples.columns.query to"),
        (
            "question context answer",
            r"'context' and 'answer' could both be the passage; set examples.columns.passage to",
        ),
        ("question label", r"has queries, and no column looks like their passages .*examples.columns.text\); set"),
        ("a b", r"no column looks like queries, and none like texts; set examples.columns.query to one of: a, b"),
        ("text label category", r"'label' and 'category' could both be the labels"),
    ],
)
def test_doubtful_columns_are_refused_with_their_names_and_the_key(names: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        find_columns(names.split(), {}, None, "F")


def test_labelled_texts_alone_have_weights() -> None:
    labelled = find_columns(["text", "label", "Sample Weight"], {}, None, "f")
    assert labelled.names[Role.weight] == "Sample Weight"
    assert Role.weight not in find_columns(["query", "passage", "weight"], {}, None, "f").names
    assert Role.weight not in find_columns(["text", "weight"], {}, None, "f").names
    with pytest.raises(UserError, match=r"examples.columns.weight=w: labelled texts have weights, and these are pairs"):
        find_columns(["query", "passage", "w"], {"weight": "w"}, None, "f")


def test_what_the_user_names_settles_it() -> None:
    names = ["question", "context", "answer", "mark"]
    columns = find_columns(names, {"passage": "answer"}, None, "F")
    assert (columns.form, columns.names[Role.passage]) == (Form.pairs, "answer")
    assert find_columns(names, {"passage": "answer", "score": "mark"}, None, "F").form is Form.graded
    assert find_columns(["question", "label"], {"text": "question"}, None, "F").form is Form.labelled
    pairs = find_columns(["sentence1", "sentence2", "label"], {}, Form.pairs, "F")
    assert set(pairs.names) == {Role.query, Role.passage}
    with pytest.raises(
        UserError, match=r"examples.columns.query=qestion: no column 'qestion' in F; did you mean 'question'"
    ):
        find_columns(names, {"query": "qestion"}, None, "F")
    with pytest.raises(UserError, match=r"triplets have a column for the negative, and none looks like it"):
        find_columns(["query", "passage"], {}, Form.triplets, "F")
    with pytest.raises(UserError, match=r"the column 'answer' would be two things at once"):
        find_columns(names, {"passage": "answer", "query": "answer"}, None, "F")


@pytest.mark.parametrize(
    ("names", "role", "form"),
    [
        ("text label weight", "weight", Form.labelled),
        ("text label weight sample_weight", "weight", Form.labelled),
        ("query passage title", "document", Form.pairs),
        ("query passage split", "split", Form.pairs),
        ("query passage score", "score", Form.pairs),
        ("query passage negative", "negative", Form.pairs),
        ("text label", "labels", Form.texts),
    ],
)
def test_a_role_can_be_left_without_a_column(names: str, role: str, form: Form) -> None:
    columns = find_columns(names.split(), {role: "none"}, None, "F")
    assert (columns.form, columns.absent) == (form, {Role(role)})
    assert Role(role) not in columns.names
    assert find_columns(["query", "passage"], {role: "none"}, Form.pairs, "F").form is Form.pairs, (
        "it need not be there"
    )


def test_two_weights_may_be_none() -> None:
    with pytest.raises(
        UserError, match=r"could both be the weight; set examples.columns.weight to one of: .*or to none"
    ):
        find_columns(["text", "label", "weight", "sample_weight"], {}, None, "F")
    with pytest.raises(UserError, match=r"set examples.columns.query to one of: passage, query$"):
        find_columns(["passage", "query"], {"query": "none"}, Form.pairs, "F")


def test_a_column_that_is_called_none_is_not_left_out_by_its_name() -> None:
    with pytest.raises(
        UserError, match=r"examples.columns.weight=none: says that there is no such column, and a column"
    ):
        find_columns(["text", "label", "none"], {"weight": "none"}, None, "F")
    assert find_columns(["text", "label", "none"], {}, None, "F").form is Form.labelled


def test_messages_name_the_key_that_columns_are_named_under() -> None:
    with pytest.raises(UserError, match=r"stages.sets.a.columns.weight=w: no column 'w' in F"):
        find_columns(["text", "label"], {"weight": "w"}, None, "F", "stages.sets.a.columns")
    with pytest.raises(UserError, match=r"set stages.sets.a.columns.labels to one of"):
        find_columns(["text", "label", "category"], {}, None, "F", "stages.sets.a.columns")

"""Conditions as people ask: weights that are measured in a log take the place of written ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.prompts.conditions.attributes import make_conditions
from engine.queries.conditions import measure_trait, with_measured_weights
from engine.queries.config import QueriesConfig
from engine.task.config import AttributeConfig, QueryTrait, TaskConfig

FORM, WORDS = QueryTrait.form, QueryTrait.words


@pytest.fixture
def log(tmp_path: Path) -> str:
    """One question in four queries, each of which stands there twice."""
    lines = ["how do bees dance", "bee dance", "hive", "queen bee"] * 2
    (tmp_path / "log.txt").write_text("\n".join(lines))
    return str(tmp_path / "log.txt")


def measured(log: str, attribute: AttributeConfig) -> dict[str, float]:
    task = with_measured_weights(TaskConfig(prompt="x", attributes={"a": attribute}), log)
    return dict(task.attributes["a"].values)


def test_a_form_has_the_share_that_people_give_it(log: str) -> None:
    assert measured(log, AttributeConfig(["keywords", "question"], from_queries=FORM)) == {
        "keywords": 1.5,
        "question": 0.5,
    }
    assert measured(log, AttributeConfig(from_queries=FORM)) == {"question": 0.25, "keywords": 0.75}
    assert measured(log, AttributeConfig({"question": 0.5, "keywords": 0.5})) == {"question": 0.5, "keywords": 0.5}


def test_values_of_which_a_log_tells_nothing_keep_their_weights(log: str) -> None:
    four = {"claim": 1.0, "question": 1.0, "keywords": 1.0, "title": 1.0}
    assert measured(log, AttributeConfig(four, from_queries=FORM)) == four | {"question": 0.5, "keywords": 1.5}
    few = {"title": 0.996, "question": 0.002, "keywords": 0.002}
    assert measured(log, AttributeConfig(few, from_queries=FORM)) == few | {"question": 0.001, "keywords": 0.003}
    with pytest.raises(UserError, match="tells only question and keywords apart, and the values are claim") as caught:
        measured(log, AttributeConfig(["claim"], from_queries=FORM))
    assert caught.value.where == "task.attributes.a.from_queries"


def test_a_few_queries_more_change_no_rare_share(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    shares = []
    for number in (997, 999):
        log.write_text("".join(f"bee {count}\n" for count in range(number)) + "how do bees dance\n" * 2)
        shares.append(measure_trait(FORM, str(log)))
    assert shares[0] == shares[1] == {"question": 0.001, "keywords": 1.0}


def test_the_values_of_lengths_are_those_of_the_log(log: str) -> None:
    weights = measured(log, AttributeConfig(from_queries=WORDS))
    assert weights == {"1": 0.25, "2": 0.5, "4": 0.25} == measure_trait(WORDS, log)
    conditions = make_conditions({"a": AttributeConfig(weights, from_queries=WORDS)})
    assert conditions.possible() == {"a": ["1", "2", "4"]}


def test_without_a_log_written_weights_stay(log: str) -> None:
    attribute = AttributeConfig({"question": 0.5, "keywords": 0.5}, from_queries=FORM)
    task = TaskConfig(prompt="x", attributes={"a": attribute})
    assert with_measured_weights(task, QueriesConfig().path) is task
    with pytest.raises(UserError, match="nothing to draw from") as caught:
        make_conditions({"a": AttributeConfig(from_queries=WORDS)})
    assert "queries.path=LOG" in caught.value.remedy
    with pytest.raises(UserError, match="is drawn as queries are and from file"):
        make_conditions({"a": AttributeConfig(file="package:words/nouns.txt", from_queries=WORDS)})


@pytest.mark.parametrize(("text", "what"), [("\n ?\n", "holds no query"), (None, "does not exist")])
def test_a_log_that_is_none_is_refused_whether_or_not_it_is_asked_for(
    tmp_path: Path, text: str | None, what: str
) -> None:
    if text is not None:
        (tmp_path / "log.txt").write_text(text)
    with pytest.raises(UserError, match=what) as caught:
        with_measured_weights(TaskConfig(prompt="x"), str(tmp_path / "log.txt"))
    assert caught.value.where == f"queries.path={tmp_path / 'log.txt'}"


def test_a_log_that_changed_is_measured_again(log: str) -> None:
    assert measure_trait(WORDS, log)["4"] == 0.25
    Path(log).write_text("one two three four five")
    assert measure_trait(WORDS, log) == {"5": 1.0}

"""Overrides that do not parse: each is named, and what is proposed works when a shell has read it."""

from __future__ import annotations

import shlex

import pytest

from engine.command_line.compose import load_config
from engine.command_line.overrides import (
    find_syntax_error,
    points_to_check,
    quoted,
    split_flags,
    sweep_folder,
    takes_text,
    with_template_quoted,
)
from engine.errors import UserError
from engine.storage.remote.cache import cache_path

VALUES = (
    "/data/a=b",
    "/data/[x]",
    "[x]",
    "/data/my (first) files",
    "/data/a, b",
    "{a}",
    "it's",
    'a "b" c',
    "'a",
    "~/x",
    "a#b;c&d!e<f>`g`",
    "größe/数据",
    "{{ passage.text }}",
    "ends in \\",
    '\\"',
)


@pytest.mark.parametrize("value", VALUES)
def test_what_is_proposed_can_be_pasted(value: str) -> None:
    error = find_syntax_error(["seed=1", f"name={value}"])
    proposed = quoted("name", value)
    if error is not None:
        assert error.where == f"name={value}"
        assert error.remedy.endswith(proposed)
    [pasted] = shlex.split(proposed)
    config, _ = load_config([pasted])
    assert config.name == value


@pytest.mark.parametrize("value", ["a\nb", "two  blanks", " first"])
def test_what_one_line_would_change_is_not_proposed(value: str) -> None:
    assert quoted("name", value) == ""


def test_a_path_whose_blank_was_not_quoted() -> None:
    error = find_syntax_error(["experiment=adapt", "collection=/data/my", "files"])
    assert error is not None
    assert (error.where, error.what) == ("files", "is no override")
    assert error.remedy.endswith("""quote both: 'collection="/data/my files"'""")
    first = find_syntax_error(["files"])
    assert first is not None
    assert first.remedy == "write key=value"


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("examples.filters.use=[a", """'examples.filters.use=[a, "b c"]'"""),
        ("samples.engine_args={a: b=c}", """'samples.engine_args={a: "b c"}'"""),
        ("seed=abs(1)", "write seed=VALUE"),
        ("samples=a=b", "write samples=VALUE"),
    ],
)
def test_a_key_that_takes_no_text_is_explained(override: str, remedy: str) -> None:
    error = find_syntax_error([override])
    assert error is not None
    assert remedy in error.remedy


def test_several_values_are_swept_over_or_quoted() -> None:
    error = find_syntax_error(["collection=a,b"])
    assert error is not None
    assert "-m" in error.remedy
    assert error.remedy.endswith("""'collection="a,b"'""")
    numbers = find_syntax_error(["model.learning_rate=1,2"])
    assert numbers is not None
    assert "quote" not in numbers.remedy
    assert find_syntax_error(["seed=1", "collection=a", "~experiment", "+samples.engine_args.a=[1,2]"]) is None


def test_keys_of_text() -> None:
    assert [takes_text(key) for key in ("name", "+samples.engine_args.a", "seed", "model", "model.base")] == [
        *(True, True, False, False, True)
    ]


def test_every_value_of_a_sweep_is_checked_once() -> None:
    points = list(points_to_check(["a=1,2", "name=x", "seed=range(3,6)"]))
    assert points == [
        ["a=1", "name=x", "seed=3"],
        ["a=2", "name=x", "seed=3"],
        ["a=1", "name=x", "seed=4"],
        ["a=1", "name=x", "seed=5"],
    ]
    assert len(list(points_to_check(["seed=range(0,100000)"]))) < 100, "of a long range the first ones"


def test_the_first_point_of_a_sweep() -> None:
    overrides = [
        "a=1,2",
        "seed=range(3,9)",
        "model.base=x",
        "d=choice(5,6)",
        "e=[1,2]",
        "+samples.engine_args.dtype=p,q",
    ]
    assert next(points_to_check(overrides)) == [
        "a=1",
        "seed=3",
        "model.base=x",
        "d=5",
        "e=[1,2]",
        "+samples.engine_args.dtype=p",
    ]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("a b", "no override"),
        ("seed=glob(*)", "-m seed=VALUE,VALUE"),
        ("tracking=glob([o*])", "-m tracking=mlflow,off,offline,online,tensorboard"),
        ("seed=interval(1,2)", "interval"),
        ("seed=tag(a,interval(1,2))", "interval"),
        ("seed=range(1,1)", "no value"),
    ],
)
def test_a_sweep_that_is_not_supported_is_refused(override: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        next(points_to_check(["name=x", override]))
    assert caught.value.where == override
    assert said in str(caught.value)


def test_flags_keep_their_values() -> None:
    arguments = ["-m", "seed=1,2", "--cfg", "job", "~experiment", "word", "-p"]
    assert split_flags(arguments) == (["-m", "--cfg", "job", "-p"], ["seed=1,2", "~experiment", "word"])


@pytest.mark.parametrize(
    "value",
    [
        "Summarise: {{ row.body }}",
        '{% if row.a == "x" %}y{% endif %}{{ row.b }}',
        "One {{ row.a }},\ntwo",
        "{{ row.a }}\\",
    ],
)
def test_a_template_needs_no_quotes_but_those_of_the_shell(value: str) -> None:
    config, _ = load_config([with_template_quoted(f"task.prompt={value}")])
    assert config.task.prompt == value


@pytest.mark.parametrize(
    "text",
    ["task.prompt=plain", 'task.prompt="{{ a }}"', "task.turns={a: {prompt: {{ a }}}}", "seed={{ a }}", "{{ a }}"],
)
def test_no_other_override_is_changed(text: str) -> None:
    assert with_template_quoted(text) == text


def test_the_notes_of_a_sweep_stay_on_this_disk() -> None:
    assert sweep_folder(["runs_dir=runs", "seed=1,2"]) == []
    url = "s3://bucket/runs"
    assert sweep_folder([f"runs_dir={url}", "seed=1,2"]) == [f"hydra.sweep.dir='{cache_path(url)}/runs/sweeps'"]

"""Templates: the sandbox, undefined names, and which names a source uses."""

import pytest

from engine.errors import UserError
from engine.task.templates import as_row, compile_expression, compile_template, names_used, render, undeclared_names

PASSAGE = {"title": "Kites", "text": "A kite dives\nwithout a tail."}


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ passage.__class__ }}",
        "{{ passage.text.__class__.__mro__[1].__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ ''.format.__globals__ }}",
        "{{ '{0.__class__.__mro__}'.format(passage) }}",
        "{{ passage.clear() }}",
        "{{ range(10000000) | list }}",
    ],
)
def test_the_sandbox_refuses(source: str) -> None:
    with pytest.raises(UserError, match="cannot be rendered") as caught:
        render(compile_template(source, "task.prompt"), "task.prompt", passage=dict(PASSAGE))
    assert caught.value.where == "task.prompt"


def test_an_expression_is_sandboxed_too() -> None:
    holds = compile_expression("text | length > 3", "task.turns.a.keep_if")
    assert holds(text="abcd")
    assert not holds(text="abc")
    with pytest.raises(UserError, match=r"the expression does not parse: .*[^.]$") as caught:
        compile_expression("text >", "task.turns.a.keep_if")
    assert caught.value.where == "task.turns.a.keep_if"


@pytest.mark.parametrize(
    ("source", "what", "remedy"),
    [
        ("{{ condition.fom }}", "there is no 'fom'", "did you mean condition.form? it may use condition.form, "),
        ("{{ pasage.text }}", "there is no 'pasage'", "did you mean passage.text? it may use "),
        ("{{ condition.age > 3 }}", "'>' not supported between instances of 'str' and 'int'", "condition.NAME | int"),
        ("{{ 1 / 0 }}", "the template cannot be rendered: division by zero", "it may use condition.form, "),
    ],
)
def test_a_template_that_cannot_be_rendered_is_explained(source: str, what: str, remedy: str) -> None:
    with pytest.raises(UserError) as caught:
        render(compile_template(source, "here"), "here", passage=PASSAGE, condition={"form": "claim", "age": "7"})
    assert what in caught.value.what
    assert remedy in caught.value.remedy
    assert caught.value.where == "here"


@pytest.mark.parametrize(
    "source", ["n ** n", "2 ** n", "'*' * n", "n * [n]", "passage.text * n", "(7 ** 30000) * (7 ** 30000)"]
)
def test_no_number_makes_a_template_take_all_memory(source: str) -> None:
    with pytest.raises(UserError, match=r"the template cannot be rendered: the result of \*+ is too large"):
        render(compile_template(f"{{{{ {source} }}}}", "here"), "here", passage=PASSAGE, n=10**9)
    with pytest.raises(OverflowError, match="too large"):
        compile_expression(source, "here")(passage=PASSAGE, n=10**9)


@pytest.mark.parametrize(
    ("source", "text"),
    [("2 ** 10", "1024"), ("2.5 * 2", "5.0"), ("'*' * 3", "***"), ("'*' * -3", ""), ("2 ** -1", "0.5")],
)
def test_templates_compute(source: str, text: str) -> None:
    assert render(compile_template(f"{{{{ {source} }}}}", "here"), "here") == text


def test_whatever_a_template_raises_is_explained() -> None:
    nested: list[object] = []
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(UserError, match="the template cannot be rendered: maximum recursion depth"):
        render(compile_template("{{ nested }}", "here"), "here", nested=nested)
    with pytest.raises(UserError, match="the template cannot be rendered: at least one item"):
        render(compile_template("{{ cycler() }}", "here"), "here")


def test_names_a_source_does_not_set_itself() -> None:
    assert undeclared_names("{{ a.b }}{% for c in d %}{{ c }}{% endfor %}{% set e = 1 %}{{ e }}{{ range(3) }}") == {
        "a",
        "d",
    }


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (
            "{{ condition.form }} {{ condition['length'] }}{% if condition.tone %}x{% endif %}",
            {"form", "length", "tone"},
        ),
        ("{{ (condition.form or 'query') | capitalize }} {{ passage.text }}", {"form"}),
        ("no variable", set()),
        ("{{ broken", set()),
    ],
)
def test_names_a_source_uses(source: str, names: set[str]) -> None:
    assert names_used(source, "condition") == names


@pytest.mark.parametrize(
    "source", ["{{ condition }}", "{% for name in condition %}x{% endfor %}", "{{ condition[k] }}"]
)
def test_a_variable_used_as_a_whole_is_told(source: str) -> None:
    with pytest.raises(LookupError, match="condition is used as a whole"):
        names_used(source, "condition")


def test_a_null_of_a_row_never_becomes_a_word_of_a_prompt() -> None:
    row = as_row({"a": None, "b": "x"})
    for source, text in (
        ("{{ row.b }}", "x"),
        ("{% if row.a %}y{% endif %}", ""),
        ("{{ row.a or 'none' }}", "none"),
        ("{{ row.a | default('none') }}", "none"),
    ):
        assert render(compile_template(source, "task.prompt"), "task.prompt", row=row) == text
    for source in ("{{ row.a }}", "{{ row.a | upper }}", "{{ row.a ~ 'x' }}", "{{ row }}", "{{ row.values() | list }}"):
        with pytest.raises(UserError, match=r"row\.a has no value here"):
            render(compile_template(source, "task.prompt"), "task.prompt", row=row)


def test_a_column_that_there_is_not_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match="there is no 'boody'") as caught:
        render(compile_template("{{ row.boody }}", "p"), "p", passage={}, row=as_row({"body": "x"}))
    assert caught.value.remedy == "did you mean row.body? it may use row.body"


def test_a_column_or_field_may_be_called_as_what_mappings_have() -> None:
    row, turns = as_row({"items": "x", "values": 2, "keys": None}), {"a": {"items": ["q"]}}
    source = "{{ row.items }} {{ row.values + 1 }} {{ turns.a.items[0] }} {{ turns.keys() | first }}"
    assert render(compile_template(source, "p"), "p", row=row, turns=turns) == "x 3 q a"
    assert compile_expression("row.items == 'x' and not row.keys", "keep_if")(row=row)


def test_all_names_are_used_where_a_method_of_the_mapping_is_called() -> None:
    with pytest.raises(LookupError, match="as a whole"):
        names_used("{% for name, value in row.items() %}{{ name }}{% endfor %}", "row")
    assert names_used("{{ row.items }} {{ row.title.upper() }}", "row") == {"items", "title"}

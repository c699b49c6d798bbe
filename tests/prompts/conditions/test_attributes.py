"""Attributes as people write them: every mistake is refused with its name, its place and a remedy."""

import pytest

from engine.errors import UserError
from engine.prompts.conditions.attributes import make_conditions
from engine.task.config import AttributeConfig, RangeConfig

A = AttributeConfig
AB = A(["a", "b"])
CASES: dict[str, tuple[dict[str, AttributeConfig], str, str]] = {
    "nothing": ({"x": A()}, "task.attributes.x", "has nothing to draw from"),
    "two kinds": ({"x": A(["a"], file="f")}, "task.attributes.x", "draws from values and file at once"),
    "negative": ({"x": A({"a": -1.0, "b": 2.0})}, "task.attributes.x.values", "weights {'a': -1.0, 'b': 2.0} draw"),
    "all zero": ({"x": A({"a": 0.0})}, "task.attributes.x.values", "weights {'a': 0.0} draw nothing"),
    "no number": ({"x": A({"a": "much"})}, "task.attributes.x.values", "the weight 'much' of 'a' is no number"),
    "not finite": ({"x": A({"a": float("nan")})}, "task.attributes.x.values", "the weight nan of 'a' is no number"),
    "truth": ({"x": A([True, False])}, "task.attributes.x.values", "the value True is not text"),
    "null": ({"x": A(["a", None])}, "task.attributes.x.values", "the value None is not text"),
    "twice": ({"x": A(["a", "a"])}, "task.attributes.x.values", "'a' stands twice"),
    "text": ({"x": A("a")}, "task.attributes.x.values", "'a' is no list"),
    "sign in value": ({"x": A(["a|b"])}, "task.attributes.x.values", "the condition 'a|b' holds a sign"),
    "sign in name": ({"x=y": AB}, "task.attributes.x=y", "the condition 'x=y' holds a sign"),
    "surrogate": ({"x": A(["\ud800"])}, "task.attributes.x.values", "half a surrogate pair"),
    "taken": ({"items": AB}, "task.attributes.items", "`condition.items` is already taken"),
    "path taken": ({"t": A(taxonomy=["a"]), "t_path": AB}, "task.attributes.t_path", "the taxonomy 't' has a column"),
    "no file": ({"x": A(file="nowhere.txt")}, "task.attributes.x.file", "/nowhere.txt"),
    "range": (
        {"x": A(range=RangeConfig(3, 1))},
        "task.attributes.x.range",
        "from 3 to 1 in steps of 1",
    ),
    "step": ({"x": A(range=RangeConfig(1, 3, 0))}, "task.attributes.x.range", "in steps of 0 there is nothing"),
    "endless": ({"x": A(range=RangeConfig(0, 2e6))}, "task.attributes.x.range", "2,000,001 numbers"),
    "empty branch": ({"t": A(taxonomy={"a": []})}, "task.attributes.t.taxonomy.a", "the branch is empty"),
    "slash": ({"t": A(taxonomy={"a/b": ["c"]})}, "task.attributes.t.taxonomy", "'a/b' cannot be part of a path"),
    "leaf twice": ({"t": A(taxonomy={"a": ["c", "c"]})}, "task.attributes.t.taxonomy.a", "'c' stands twice"),
    "unknown parent": ({"x": A(depends_on="y", by={"a": ["b"]})}, "task.attributes.x.depends_on", "no attribute 'y'"),
    "circle": (
        {"x": A(depends_on="y", by={"a": ["b"]}), "y": A(depends_on="x", by={"a": ["b"]})},
        "task.attributes.x.depends_on",
        "depends on 'y', which in the end depends on ['x', 'y']",
    ),
    "missing entry": (
        {"x": AB, "y": A(depends_on="x", by={"a": ["c"]})},
        "task.attributes.y.by",
        "nothing is said for x='b'",
    ),
    "never": ({"x": AB, "y": A(["d"], depends_on="x", by={"c": ["e"]})}, "task.attributes.y.by", "x is never 'c'"),
    "no by": ({"x": AB, "y": A(depends_on="x")}, "task.attributes.y", "depends_on without `by`"),
    "only by": ({"x": A(["a"], by={"a": ["b"]})}, "task.attributes.x", "has `by` without `depends_on`"),
    "by nothing": ({"x": AB, "y": A(["d"], depends_on="x", by={"a": {}})}, "task.attributes.y.by.a", "draw nothing"),
    "of several": (
        {"x": A(["a", "b"], pick=1), "y": A(depends_on="x", by={"a": ["c"], "b": ["d"]})},
        "task.attributes.y.by",
        "x can be several values at once",
    ),
    "pick too many": ({"x": A(["a", "b"], pick=3)}, "task.attributes.x.pick", "cannot pick 3 to 3 of 2 values"),
    "pick backwards": ({"x": A(["a", "b"], pick=[2, 1])}, "task.attributes.x.pick", "cannot pick 2 to 1"),
    "pick text": ({"x": A(["a", "b"], pick="two")}, "task.attributes.x.pick", "'two' is no number of values"),
    "pick of a range": ({"x": A(range=RangeConfig(1, 3), pick=1)}, "task.attributes.x.pick", "several from a range"),
    "separator": ({"x": A(["a, b", "c"], pick=1)}, "task.attributes.x", "'a, b' cannot be told apart"),
    "demonstrations": (
        {"x": A(file="package:words/nouns.txt", from_demonstrations=True)},
        "task.attributes.x.from_demonstrations",
        "is drawn from demonstrations and from file",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_attribute_that_cannot_be_drawn_is_refused(case: str) -> None:
    attributes, where, what = CASES[case]
    with pytest.raises(UserError) as caught:
        make_conditions(attributes)
    assert what in caught.value.what
    assert caught.value.where == where
    assert caught.value.remedy


def test_what_demonstrations_do_not_carry_is_no_mistake() -> None:
    form = A({"a": 1.0, "b": 1.0}, from_demonstrations=True)
    length = A(depends_on="form", by={"a": ["short"], "b": ["long"]})
    made = make_conditions({"form": form, "length": length}, "form", ["a"])
    assert made.probe() == {"form": "a", "length": "short"}
    with pytest.raises(UserError, match="nothing is said for form="):
        make_conditions({"form": form, "length": length}, "form", [""])


def test_what_can_be_drawn_is_known_before() -> None:
    made = make_conditions(
        {
            "t": A(taxonomy={"a": ["x", "y"], "b": ["x"]}),
            "d": A(["q"], depends_on="t", by={"x": ["p", "q"]}),
            "many": A(["m", "n"], pick=1),
        }
    )
    assert made.possible() == {"t": ["x", "y"], "t_path": ["a", "b"], "d": ["p", "q"], "many": ["m", "n"]}
    assert made.picks() == {"many"}

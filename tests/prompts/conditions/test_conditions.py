"""Conditions of every kind: what is drawn, in which shares, and what moves when a declaration changes."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.conditions import RowKeys
from engine.runtime.identity import identity_of
from engine.task.config import DATA, AttributeConfig, RangeConfig, word_file
from engine.text.hashes import text_hashes

COUNT = 20_000
ROWS = RowKeys(
    text_hashes([f"p{n}" for n in range(COUNT)]), np.zeros(COUNT, np.int64), np.zeros(COUNT, np.int64), seed=3
)
TAXONOMY = {"science": {"physics": ["optics", "mechanics"], "chemistry": ["acids"]}, "arts": ["film"], "sport": None}


def draw(rows: RowKeys = ROWS, **attributes: AttributeConfig) -> dict[str, list[str]]:
    return {n: drawn.column().to_pylist() for n, drawn in make_conditions(attributes).draw(rows).items()}


def shares(values: list[str]) -> dict[str, float]:
    return {value: count / len(values) for value, count in Counter(values).items()}


def near(**expected: float) -> Any:
    return pytest.approx(expected, abs=0.02)


def test_lists_are_even_and_mappings_weighted() -> None:
    assert shares(draw(a=AttributeConfig(["x", "y"]))["a"]) == near(x=0.5, y=0.5)
    assert shares(draw(a=AttributeConfig({"x": 0.8, "y": 0.2}))["a"]) == near(x=0.8, y=0.2)
    assert shares(draw(a=AttributeConfig({"x": 4, "y": 1, "z": 0}))["a"]) == near(x=0.8, y=0.2)


def test_a_number_is_a_value_as_it_is_written() -> None:
    assert set(draw(a=AttributeConfig([1, 2.5, "z"]))["a"]) == {"1", "2.5", "z"}


@pytest.mark.parametrize(
    ("range_", "values"),
    [
        (RangeConfig(1, 3), ["1", "2", "3"]),
        (RangeConfig(-1, 1, 0.5), ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (RangeConfig(0, 0.35, 0.1), ["0.0", "0.1", "0.2", "0.3"]),
        (RangeConfig(10, 50, 20), ["10", "30", "50"]),
        (RangeConfig(2, 2), ["2"]),
    ],
)
def test_ranges_include_both_ends(range_: RangeConfig, values: list[str]) -> None:
    drawn = shares(draw(a=AttributeConfig(range=range_))["a"])
    assert drawn == near(**dict.fromkeys(values, 1 / len(values)))


def test_a_word_list_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("# animals\ncat\t3\n\n  dog \r\nowl\t0\n", encoding="utf-8")
    assert shares(draw(a=AttributeConfig(file=str(file)))["a"]) == near(cat=0.75, dog=0.25)


def test_the_identity_of_a_word_list_is_its_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("cat\n")
    second.write_text("cat\n")
    identities = [identity_of(AttributeConfig(file=str(file))) for file in (first, second)]
    assert identities[0] == identities[1]
    second.write_text("cat\ndog\n")
    assert identity_of(AttributeConfig(file=str(second))) != identities[0]


def test_a_taxonomy_is_drawn_branch_by_branch() -> None:
    drawn = draw(t=AttributeConfig(taxonomy=TAXONOMY))
    assert list(drawn) == ["t", "t_path"]
    third = 1 / 3
    assert shares(drawn["t"]) == near(optics=third / 4, mechanics=third / 4, acids=third / 2, film=third, sport=third)
    paths = {"optics": "science/physics", "mechanics": "science/physics", "acids": "science/chemistry", "film": "arts"}
    assert set(zip(drawn["t"], drawn["t_path"], strict=True)) == {*paths.items(), ("sport", "")}


def test_a_leaf_may_stand_in_two_branches() -> None:
    drawn = draw(t=AttributeConfig(taxonomy={"a": ["other"], "b": ["other"]}))
    assert set(drawn["t"]) == {"other"}
    assert shares(drawn["t_path"]) == near(a=0.5, b=0.5)


def test_a_leaf_added_to_a_branch_moves_only_those_who_draw_it() -> None:
    before = draw(t=AttributeConfig(taxonomy={"a": ["x", "y"], "b": ["z"]}))["t"]
    after = draw(t=AttributeConfig(taxonomy={"a": ["x", "y", "new"], "b": ["z"]}))["t"]
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {"new"}


def test_one_attribute_depends_on_another() -> None:
    kind = AttributeConfig({"animal": 1, "plant": 1, "stone": 2})
    name = AttributeConfig(["thing"], depends_on="kind", by={"animal": ["cat", "dog"], "plant": {"oak": 3, "fern": 1}})
    drawn = draw(name=name, kind=kind)
    assert list(drawn) == ["name", "kind"], "columns stand in the order of declaration"
    pairs = shares([f"{a} {b}" for a, b in zip(drawn["kind"], drawn["name"], strict=True)])
    expected = {"animal cat": 1 / 8, "animal dog": 1 / 8, "plant oak": 3 / 16, "plant fern": 1 / 16, "stone thing": 0.5}
    assert pairs == near(**expected)


def test_dependence_may_be_a_chain_and_on_a_leaf() -> None:
    by_leaf = {"optics": ["lens"], "mechanics": ["lever"], "acids": ["lemon"], "film": ["lens"], "sport": ["ball"]}
    drawn = draw(
        noun=AttributeConfig(depends_on="verb", by={"see": ["eye"], "lift": ["arm"]}),
        verb=AttributeConfig(["see"], depends_on="thing", by={"lever": ["lift"], "ball": ["lift"]}),
        thing=AttributeConfig(depends_on="t", by=by_leaf),
        t=AttributeConfig(taxonomy=TAXONOMY),
    )
    for thing, verb, noun in zip(drawn["thing"], drawn["verb"], drawn["noun"], strict=True):
        assert verb == ("lift" if thing in {"lever", "ball"} else "see")
        assert noun == ("arm" if verb == "lift" else "eye")


def test_picks_are_subsets() -> None:
    drawn = draw(f=AttributeConfig(["twist", "moral", "dialogue"], pick=2))["f"]
    assert shares(drawn) == near(**dict.fromkeys(("twist, moral", "twist, dialogue", "moral, dialogue"), 1 / 3))
    several = draw(f=AttributeConfig(["twist", "moral"], pick=[1, 2]))["f"]
    assert set(several) == {"twist", "moral", "twist, moral"}


def test_picks_may_depend_and_be_depended_on() -> None:
    drawn = draw(
        kind=AttributeConfig(["a", "b"]),
        many=AttributeConfig(depends_on="kind", by={"a": ["x", "y"], "b": ["p", "q", "r"]}, pick=2),
        last=AttributeConfig(["other"], depends_on="many", by={"x, y": ["both"]}),
    )
    rows = set(zip(drawn["kind"], drawn["many"], drawn["last"], strict=True))
    assert rows == {("a", "x, y", "both"), *(("b", many, "other") for many in ("p, q", "p, r", "q, r"))}


def test_draws_hang_on_the_name_alone() -> None:
    tone, size = AttributeConfig(["dry", "warm"]), AttributeConfig(["small", "large"])
    alone, both, other = draw(tone=tone), draw(size=size, tone=tone), draw(voice=tone)
    assert alone["tone"] == both["tone"]
    agree = np.mean([a == b for a, b in zip(alone["tone"], other["voice"], strict=True)])
    assert agree == pytest.approx(0.5, abs=0.02), "two attributes with the same values are drawn apart"


@pytest.mark.parametrize("change", [{"seed": 4}, {"slots": np.ones(COUNT, np.int64)}, {"attempts": ROWS.slots + 1}])
def test_every_part_of_the_key_counts(change: dict[str, Any]) -> None:
    tones = AttributeConfig(["dry", "warm"])
    pairs = zip(draw(tone=tones)["tone"], draw(replace(ROWS, **change), tone=tones)["tone"], strict=True)
    agree = np.mean([a == b for a, b in pairs])
    assert agree == pytest.approx(0.5, abs=0.02)


def test_demonstrations_restrict_a_condition_and_keep_its_weights() -> None:
    form = AttributeConfig({"a": 3.0, "b": 1.0, "c": 5.0}, from_demonstrations=True)
    made = make_conditions({"form": form}, "form", ["a", "b"])
    assert shares(made.draw(ROWS)["form"].column().to_pylist()) == near(a=0.75, b=0.25)
    assert set(make_conditions({"form": form}, "form", [""]).draw(ROWS)["form"].column().to_pylist()) == {""}
    whole = make_conditions({"form": AttributeConfig({"a": 1.0}, from_demonstrations=True)})
    assert whole.possible() == {"form": ["a"]}


def test_three_word_lists_are_drawn_without_their_product() -> None:
    lists = {name: AttributeConfig(file=f"package:words/{name}.txt") for name in ("nouns", "verbs", "adjectives")}
    drawn = draw(ROWS, **lists)
    assert len(set(zip(*drawn.values(), strict=True))) > 0.99 * COUNT
    assert len(set(drawn["verbs"])) > 400


def test_a_probe_is_always_the_same_combination() -> None:
    made = make_conditions({"a": AttributeConfig(["x", "y"]), "t": AttributeConfig(taxonomy=TAXONOMY)})
    assert made.probe() == made.probe()
    assert list(made.probe()) == ["a", "t", "t_path"] == made.names
    assert make_conditions({}).probe() == {}


@pytest.mark.parametrize(("name", "least"), [("nouns", 700), ("verbs", 400), ("adjectives", 400)])
def test_the_word_lists_that_ship(name: str, least: int) -> None:
    file = word_file(f"package:words/{name}.txt")
    assert file.parent == DATA / "words"
    words = file.read_text(encoding="ascii").split("\n")
    assert words.pop() == "", "the file ends with a line"
    assert least <= len(words) == len(set(words)) <= 1500
    assert words == sorted(words)
    assert all(word.isalpha() and word.islower() for word in words)

"""Whatever value a key is set to, Hydra reads it back from the override."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from engine.sweeps.written import as_override, replacing, winning


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 0, -3, 3.5, 3.1e-05, "fake", "true", "1e-5", "", "two words", "a,b", 'say "so"', "C:\\", "${x}"),
        *("back\\slash", 'end\\"', "{{ passage.text }}", [1, "a b"], {"a": [None, "x=y"], "b c": 1.5}, []),
        *("fünf", "runs/a=1,b=2", "/tmp/x.yaml", "../x", ".5"),
    ],
)
def test_a_value_comes_back(value: Any) -> None:
    override = OverridesParser.create().parse_override(as_override("key.inner", value))
    assert override.key_or_group == "key.inner"
    assert not override.is_sweep_override()
    assert override.value() == value
    assert type(override.value()) is type(value)


def test_what_comes_later_stands_in_the_place_of_what_came_before() -> None:
    given = ["experiment=adapt", "+seed=1", "~judge", "seeds=3", "-m", "model.epochs=1"]
    expected = ["experiment=adapt", "~judge", "seeds=3", "-m", "seed=2", "model.epochs=5"]
    assert replacing(given, ["seed=2", "model.epochs=5"]) == expected
    assert replacing(given, []) == given


def test_the_last_of_a_key_wins() -> None:
    given = ["experiment=adapt", "+seed=1", "~judge", "seeds=3", "seed=2", "~judge", "experiment=demo"]
    assert winning(given) == ["~judge", "seeds=3", "seed=2", "~judge", "experiment=demo"]

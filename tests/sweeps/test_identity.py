"""What two starts of a sweep share: overrides in any order, without those that change no result."""

from __future__ import annotations

import pytest

from engine.sweeps.identity import comparable, is_placement


def test_order_and_machine_change_nothing() -> None:
    given = ["seed=1", "experiment=adapt", "model.epochs=1", "cluster.num_cpus=2", "samples.num_engines=3", "seed=2"]
    other = [
        "experiment=adapt",
        "seed=2",
        "tracking=off",
        "model.num_workers=2",
        "model.epochs=1",
        "hydra/launcher=ray",
    ]
    assert comparable(given) == comparable(other) == ["experiment=adapt", "model.epochs=1", "seed=2"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("samples.max_seconds", True),
        ("watch.every_seconds", True),
        ("cluster", True),
        ("until", True),
        ("model.validation.every", False),
        ("samples.engine_args.seed", False),
        ("samples", False),
        ("model.nothing", False),
    ],
)
def test_settings_know_whether_they_change_a_result(key: str, said: bool) -> None:
    assert is_placement(key) is said

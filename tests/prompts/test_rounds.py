"""Rounds: re-weighting towards what is kept, passages chosen again, and a whole run in three rounds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.conditions import Rows
from engine.prompts.conditions.constraints import Drawer
from engine.prompts.rounds import Asked, next_weights
from engine.storage.parts import committed_parts
from engine.task.config import AttributeConfig, QuotaConfig
from engine.task.shares import target_shares
from engine.text.hashes import text_hashes
from tests.support.command_line import CommandLine

EVEN = {"question": 0.5, "keywords": 0.5}


def test_targets_are_the_shares_of_plain_lists() -> None:
    assert target_shares(AttributeConfig(["a", "b"])) == {"a": 0.5, "b": 0.5}
    assert target_shares(AttributeConfig({"a": 3, "b": 1, "c": 0})) == {"a": 0.75, "b": 0.25}
    assert target_shares(AttributeConfig(["a", "b"], pick=1)) == {}
    assert target_shares(AttributeConfig(file="words.txt")) == {}


def test_what_is_rarely_kept_is_drawn_more_often() -> None:
    weights = next_weights(EVEN, {"question": 10, "keywords": 40}, {"question": 90, "keywords": 60}, 2)
    # 40 of 50 questions are lacking at a survival of a tenth, 10 keywords at four tenths.
    assert weights["question"] > 0.9
    assert weights["keywords"] > 0
    assert sum(weights.values()) == pytest.approx(1)


def test_a_round_that_met_its_targets_changes_nothing() -> None:
    weights = next_weights({"a": 0.7, "b": 0.3}, {"a": 70, "b": 30}, {"a": 70, "b": 30}, 2)
    assert weights["a"] == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize(("kept", "rejected"), [({}, {}), ({}, {"question": 50}), ({"question": 50}, {})])
def test_a_value_is_never_lost_sight_of(kept: dict[str, int], rejected: dict[str, int]) -> None:
    weights = next_weights(EVEN, kept, rejected, 3)
    assert min(weights.values()) > 0.04
    assert sum(weights.values()) == pytest.approx(1)


def test_quotas_are_met_by_what_is_kept_in_the_end() -> None:
    """A survival of 0.1 against 0.5: after five rounds of re-weighting the kept shares are near the target."""
    generator = np.random.default_rng(0)
    survival = {"question": 0.1, "keywords": 0.5}
    kept: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    weights = EVEN
    for number in range(1, 6):
        if number > 1:
            weights = next_weights(EVEN, kept, rejected, number)
        for value in generator.choice(list(weights), 2000, p=list(weights.values())):
            (kept if generator.random() < survival[value] else rejected)[str(value)] += 1
    assert kept["question"] / kept.total() == pytest.approx(0.5, abs=0.05)
    assert survival["question"] / sum(survival.values()) < 0.2, "without rounds it would be a sixth"


def test_lost_passages_come_first_then_those_asked_the_least() -> None:
    asked = Asked(["a", "b", "c", "d"], ["a", "b", "c"], {"b"})
    assert asked.choose(1, extra=2).tolist() == [1]
    assert asked.choose(2, extra=2).tolist() == [1, 3]
    assert sorted(asked.choose(4, extra=2).tolist()) == [0, 1, 2, 3]


def test_a_passage_gets_no_more_than_its_share_and_the_extra() -> None:
    asked = Asked(["a", "b"], ["a"] * 5 + ["b"] * 5, {"a"})
    counts = Counter(asked.choose(6, extra=0).tolist())
    assert counts == {0: 3, 1: 3}, "eight of sixteen each"
    lopsided = Asked(["a", "b"], ["a"] * 9 + ["b"], {"a"})
    assert lopsided.choose(2, extra=0).tolist() == [1, 1], "a has more than its share, lost or not"


def test_quotas_count_earlier_rounds() -> None:
    attributes = {"form": AttributeConfig(["x", "y"]), "tags": AttributeConfig(["p", "q"], pick=[0, 2])}
    earlier = pa.table({"condition_form": ["x", "y", "x"], "condition_tags": ["p, q", "q", ""]})
    quotas = [QuotaConfig({"form": "x"}, 5), QuotaConfig({"form": ["x", "y"], "tags": "q"}, 1)]
    drawer = Drawer(make_conditions(attributes), quotas=quotas)
    drawer.count_earlier(earlier)
    rows = Rows(text_hashes([str(i) for i in range(200)]), np.zeros(200, np.int64), np.zeros(200, np.int64), 0)
    drawn, count = drawer.draw(rows)
    assert count == 200
    forms, tags = (drawn[name].column().to_pylist() for name in ("form", "tags"))
    assert forms.count("x") == 3, "two of five were planned before"
    assert not any("q" in tag for tag in tags), "the other quota was full already"


@pytest.mark.slow
def test_a_run_in_rounds(synthmill: CommandLine, corpus: Path, tmp_path: Path) -> None:
    """Three rounds with the fake generator: earlier rows are kept as they are, and only new ones are asked for."""
    arguments = ("samples=fake", "samples.rounds=3", "prompts.per_passage=3", "until=examples", "tracking=off")
    done = synthmill.run("experiment=adapt", f"collection={corpus}", "run_dir=run", *arguments)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    plan = pa.concat_tables([pq.read_table(file) for file in sorted((run / "prompts").glob("plan-*.parquet"))])
    assert plan["sample_id"].to_pylist() == list(range(len(plan)))
    assert plan["round"].to_pylist() == sorted(plan["round"].to_pylist())
    assert set(plan["round"].to_pylist()) == {0, 1, 2}
    keys = list(zip(*(plan[name].to_pylist() for name in ("passage_id", "cell", "replicate")), strict=True))
    assert len(set(keys)) == len(keys), "no sample is planned twice"
    samples = pa.concat_tables([pq.read_table(part) for part in committed_parts((run / "samples").resolve())])
    assert sorted(samples["sample_id"].to_pylist()) == list(range(len(plan)))
    carried = samples.filter(pc.equal(samples["attempt"], 0))
    assert len(carried) == len(plan.filter(pc.less(plan["round"], 2))), "earlier rounds are taken over"
    records = [
        json.loads(file.read_text())["record"] for file in (tmp_path / "runs/store/prompts").glob("*/record.json")
    ]
    assert sorted(record.get("round", 1) for record in records) == [1, 2, 3]

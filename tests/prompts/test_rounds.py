"""Rounds after the first: values weighed anew by what was kept, passages chosen again, and a whole run in rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE, ExamplesFolder
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import SamplesFolder
from engine.prompts.basis import PlanBasis, gather_basis
from engine.prompts.config import PromptsConfig, RoundConfig
from engine.prompts.planner import PlanInputs, gather_inputs
from engine.prompts.rounds import Coverage, next_rows, next_weights, reweighted
from engine.task.compiled import compile_task
from engine.task.config import AttributeConfig, QuotaConfig, TaskConfig
from tests.support.command_line import CommandLineHere
from tests.support.places import quiet_place
from tests.support.planning import SIZES, Plan, prompts_config

EVEN = {"question": 0.5, "keywords": 0.5}


def write_examples(folder: Path, kept: Mapping[str, list[str]], rejected: Mapping[str, list[str]]) -> ExamplesFolder:
    """Writes an examples folder of these columns."""
    folder.mkdir()
    pq.write_table(pa.table(dict(kept)), folder / KEPT_FILE)
    pq.write_table(pa.table(dict(rejected)), folder / REJECTED_FILE)
    return ExamplesFolder(folder)


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
def test_every_value_keeps_a_part_of_its_share(kept: dict[str, int], rejected: dict[str, int]) -> None:
    weights = next_weights(EVEN, kept, rejected, 3)
    assert min(weights.values()) > 0.04
    assert sum(weights.values()) == pytest.approx(1)


def test_target_shares_are_met_by_what_is_kept_in_the_end() -> None:
    """A survival of 0.1 against 0.5: after five rounds of weighing anew the kept shares are near the target."""
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


def test_conditions_with_target_shares_are_drawn_by_other_weights(tmp_path: Path) -> None:
    attributes = {"form": AttributeConfig({"a": 1, "b": 1}), "tags": AttributeConfig(["x", "y"], pick=1), "size": SIZES}
    task = TaskConfig(prompt="x", attributes=attributes)
    kept = {"condition_form": ["a"] * 8 + ["b"] * 2}
    examples = write_examples(tmp_path / "examples", kept, {"condition_form": ["b"] * 6})
    basis, weights = reweighted(PlanBasis(task, [], drawn=task, compiled=compile_task(task)), examples, 2)
    assert weights == {"form": next_weights({"a": 0.5, "b": 0.5}, {"a": 8, "b": 2}, {"b": 6}, 2)}
    assert weights["form"]["b"] > 0.7
    assert basis.task is task, "the task that is stored asks for the same shares in every round"
    assert basis.drawn.attributes == {**attributes, "form": AttributeConfig(weights["form"])}
    assert list(basis.drawn.attributes) == list(attributes)


def test_lost_passages_come_first_then_those_with_the_fewest_samples() -> None:
    coverage = Coverage(["a", "b", "c", "d"], np.array([1, 1, 1, 0]), {"b"})
    assert coverage.choose(1, extra=2).tolist() == [1]
    assert coverage.choose(2, extra=2).tolist() == [1, 3]
    assert sorted(coverage.choose(4, extra=2).tolist()) == [0, 1, 2, 3]


def test_a_passage_gets_no_more_than_its_share_and_the_extra() -> None:
    coverage = Coverage(["a", "b"], np.array([5, 5]), {"a"})
    counts = Counter(coverage.choose(6, extra=0).tolist())
    assert counts == {0: 3, 1: 3}, "eight of sixteen each"
    lopsided = Coverage(["a", "b"], np.array([9, 1]), {"a"})
    assert lopsided.choose(2, extra=0).tolist() == [1, 1], "a has more than its share, lost or not"
    assert Coverage(["a"], np.array([1]), set()).choose(0, extra=0).tolist() == []


@pytest.fixture
def inputs(documents: Path, tmp_path: Path) -> PlanInputs:
    """What the rows of `CONFIG` are drawn from."""
    basis = gather_basis(CONFIG, {"documents": documents})
    return gather_inputs(CONFIG, basis, DocumentsFolder(documents), quiet_place(tmp_path))


CONFIG: PromptsConfig = prompts_config(per_passage=2, rounds=2, extra_per_passage=1)


def test_a_round_adds_rows_about_the_passages_that_need_them(plan: Plan, inputs: PlanInputs, tmp_path: Path) -> None:
    earlier = plan(CONFIG)[0]
    kept = {"passage_id": ["d5"]}
    rejected = {"passage_id": ["d5", "d3", "d7"], "reason": ["round_trip", "round_trip", "length"]}
    examples = write_examples(tmp_path / "examples", kept, rejected)
    chunks, expected = next_rows(RoundConfig(CONFIG, 2), earlier, examples, inputs)
    table = pa.concat_tables(chunks)
    assert expected == len(table) == 60
    assert table.slice(0, 30).equals(pa.concat_tables(earlier.stream()))
    new = table.slice(30)
    assert new["sample_id"].to_pylist() == list(range(30, 60))
    assert set(new["round"].to_pylist()) == {1}
    assert new["passage_id"].to_pylist()[0] == "d3", "its query did not find it, and nothing else of it was kept"
    assert set(Counter(new["passage_id"].to_pylist()).values()) == {1}, "then all passages have as many samples"
    keys = list(zip(*(table[name].to_pylist() for name in ("passage_id", "cell", "replicate")), strict=True))
    assert len(set(keys)) == len(keys), "no sample is planned twice"


def test_quotas_end_a_later_round_too(documents: Path, tmp_path: Path, plan: Plan) -> None:
    task = {"attributes": {"size": SIZES}, "quotas": [QuotaConfig({"size": ["1", "2", "3"]}, 40)]}
    config = prompts_config(task, per_passage=2, rounds=2)
    earlier = plan(config)[0]
    basis = gather_basis(config, {"documents": documents})
    inputs = gather_inputs(config, basis, DocumentsFolder(documents), quiet_place(tmp_path))
    examples = write_examples(tmp_path / "examples", {"passage_id": []}, {"passage_id": [], "reason": []})
    chunks, expected = next_rows(RoundConfig(config, 2), earlier, examples, inputs)
    assert (len(pa.concat_tables(chunks)), expected) == (40, 60), "thirty of the forty were planned before"


@pytest.mark.slow
def test_a_run_in_rounds(synthmill_here: CommandLineHere, corpus: Path, tmp_path: Path) -> None:
    """Three rounds with the fake generator: earlier rows are kept as they are, and only new ones are generated."""
    arguments = ("samples=fake", "samples.rounds=3", "prompts.per_passage=3", "until=examples", "tracking=off")
    done = synthmill_here.run("experiment=adapt", f"collection={corpus}", "run_dir=run", *arguments)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    plan = PromptsFolder(run / "prompts").plan()
    assert plan["sample_id"].to_pylist() == list(range(len(plan)))
    assert plan["round"].to_pylist() == sorted(plan["round"].to_pylist())
    assert set(plan["round"].to_pylist()) == {0, 1, 2}
    keys = list(zip(*(plan[name].to_pylist() for name in ("passage_id", "cell", "replicate")), strict=True))
    assert len(set(keys)) == len(keys), "no sample is planned twice"
    samples = SamplesFolder(run / "samples").rows()
    assert sorted(samples["sample_id"].to_pylist()) == list(range(len(plan)))
    carried = samples.filter(pc.equal(samples["attempt"], 0))
    assert len(carried) == len(plan.filter(pc.less(plan["round"], 2))), "earlier rounds are taken over"
    plans = [PromptsFolder(file.parent) for file in (tmp_path / "runs/store/prompts").glob("*/record.json")]
    assert sorted(len(folder.record().weights) for folder in plans) == [0, 1, 1], "the first round weighs nothing"
    assert len({folder.record().planned for folder in plans}) == 3

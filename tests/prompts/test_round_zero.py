"""Round 0: values and demonstrations that the generator writes, frozen with the plan; with the fake generator."""

# the fixture `place` of test_pool is a parameter here
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.prompts import PromptsFolder
from engine.errors import UserError
from engine.generation.config import SamplesConfig
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.prompts.planner import read_ground
from engine.prompts.round_zero import Asking, is_written, write_demonstrations, write_values
from engine.prompts.step import plan_prompts
from engine.runtime.place import Place
from engine.task.config import AttributeConfig, TaskConfig, WrittenConfig
from tests.support.jobs import FAKE

SHOWN = DemonstrationsConfig(collection="", seed=0, num_sets=2, per_prompt=2)
TASK = TaskConfig(
    demonstration="P: {{ demonstration.document }}\nQ: {{ demonstration.query }}\n",
    prompt="P: {{ passage.text }}\n{{ condition.topic }} {{ condition.form }}:",
    attributes={
        "topic": AttributeConfig(
            written=WrittenConfig("Name some topics that concern apples, oranges and pears.\nList:", 3)
        ),
        "form": AttributeConfig({"question": 1, "keywords": 1}, from_demonstrations=True),
    },
)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    text = "Passage number {0} explains how orchards of apples and pears are kept in valley {0} by growers."
    rows = [
        {
            "passage_id": f"d{i}",
            "document_id": f"d{i}",
            "title": "",
            "text": text.format(i),
            "position": 0,
            "num_tokens": 9,
        }
        for i in range(20)
    ]
    pq.write_table(pa.Table.from_pylist(rows, PASSAGES), folder / "passages.parquet")
    return folder


def config(**changes: object) -> PromptsConfig:
    fixed = {"model": "bundled:smollm2-135m-instruct", "context_tokens": 2048, "max_tokens": 48, "seed": 0, "rounds": 1}
    return PromptsConfig(**{**fixed, "task": TASK, "demonstrations": SHOWN, "samples": FAKE, **changes})  # type: ignore[arg-type]


def test_a_plan_needs_engines_only_for_what_is_written() -> None:
    assert is_written(TASK, SHOWN)
    plain = replace(TASK, attributes={"form": TASK.attributes["form"]})
    assert not is_written(plain, SHOWN)
    assert is_written(plain, replace(SHOWN, self_instruct=3))


def test_the_generator_is_part_of_the_identity_only_where_it_writes() -> None:
    hotter = replace(FAKE, temperature=0.1)
    plain = replace(TASK, attributes={"form": TASK.attributes["form"]})
    assert config(task=plain).identity() == config(task=plain, samples=hotter).identity()
    assert config().identity() != config(samples=hotter).identity()


def test_written_values_are_conditions_like_any_other(tmp_path: Path, documents: Path, place: Place) -> None:
    output = tmp_path / "prompts"
    output.mkdir()
    try:
        record = plan_prompts(config(), {"documents": documents}, output, place)
    finally:
        place.engines.stop()
    plan = PromptsFolder(output).plan()
    topics = set(plan["condition_topic"].to_pylist())
    assert len(topics) > 1
    assert topics <= set(read_ground(output).task.attributes["topic"].values)
    assert record["num_values"] == {"topic": len(topics), "form": 2}
    assert PromptsFolder(output).prompts().task.attributes["topic"].written is None, "frozen"


def test_self_instruct_writes_demonstrations_that_pass_the_filters(
    tmp_path: Path, documents: Path, place: Place
) -> None:
    output = tmp_path / "prompts"
    output.mkdir()
    shown = replace(SHOWN, self_instruct=5)
    plain = replace(
        TASK, attributes={"form": TASK.attributes["form"]}, prompt="P: {{ passage.text }}\n{{ condition.form }}:"
    )
    try:
        plan_prompts(config(task=plain, demonstrations=shown), {"documents": documents}, output, place)
    finally:
        place.engines.stop()
    pool = read_ground(output).pool
    assert len(pool) == 5
    assert len({d.query for d in pool}) == 5
    assert {d.conditions["form"] for d in pool} <= {"question", "keywords"}
    assert all("orchards" in d.document for d in pool)
    assert sorted(path.name for path in (output / "round-0").iterdir()) == ["demonstrations"]


def test_nothing_fit_is_refused(tmp_path: Path, documents: Path, place: Place) -> None:
    passages = pq.read_table(documents / "passages.parquet", columns=["passage_id", "title", "text"])
    asking = Asking(replace(FAKE, max_tokens=1), tmp_path, place)
    plain = TaskConfig(prompt="{{ passage.text }}\nQ:")
    try:
        with pytest.raises(UserError, match="none of 8 samples is fit to be a demonstration") as caught:
            write_demonstrations(plain, replace(SHOWN, self_instruct=2), passages, asking)
        assert caught.value.where == "demonstrations.self_instruct=2"
        silent = {"t": AttributeConfig(written=WrittenConfig("x\n", 2, max_tokens=1))}
        assert isinstance(asking.samples, SamplesConfig)
        found = write_values(replace(plain, attributes=silent), asking).attributes["t"]
        assert len(found.values) >= 1
    finally:
        place.engines.stop()


def test_two_sources_of_demonstrations_are_refused() -> None:
    with pytest.raises(UserError, match="two sources of demonstrations"):
        replace(SHOWN, self_instruct=2, from_qrels=3)

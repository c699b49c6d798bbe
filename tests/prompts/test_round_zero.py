"""Round 0: values and demonstrations that the generator writes, as steps of the pipeline; with the fake generator."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES, PASSAGES, SAMPLES
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder
from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.pipeline.steps import steps
from engine.prompts.config import SelfInstructConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.prompts.round_zero import (
    plan_demonstrations,
    plan_values,
    read_demonstrations,
    values_config,
    with_values,
    zero_shot,
)
from engine.task.config import AttributeConfig, ParserKind, TaskConfig, WrittenConfig
from tests.support.command_line import CommandLineHere
from tests.support.committed import commit_table
from tests.support.corpus import write_corpus

TASK = TaskConfig(
    prompt="P: {{ passage.text }}\n{{ condition.topic }} {{ condition.form }}:",
    attributes={
        "topic": AttributeConfig(written=WrittenConfig("Name some topics.\nList:", 3)),
        "form": AttributeConfig({"question": 1, "keywords": 1}, from_demonstrations=True),
        "tone": AttributeConfig(written=WrittenConfig("Name some tones.\nList:", 25, max_tokens=99)),
    },
)
SHOWN = DemonstrationsConfig(collection="", seed=0, self_instruct=2)
TASK_FILE = """
name: pears
demonstration: |
  P: {{ demonstration.document }}
  Q: {{ demonstration.query }}
prompt: |-
  P: {{ passage.text }}
  {{ condition.topic }} {{ condition.form }}:
attributes:
  topic: {written: {prompt: "Name some topics that concern apples, oranges and pears.\\nList:", count: 3}}
  form: {values: {question: 1, keywords: 1}, from_demonstrations: true}
"""


@pytest.fixture
def documents(tmp_path: Path) -> DocumentsFolder:
    folder = tmp_path / "documents"
    folder.mkdir()
    rows = [
        {"passage_id": f"d{i}", "document_id": f"d{i}", "title": f"T{i}", "text": f"text {i}", "num_tokens": 9}
        for i in range(20)
    ]
    pq.write_table(pa.Table.from_pylist(rows, PASSAGES), folder / "passages.parquet")
    return DocumentsFolder(folder)


def prompts_folder(tmp_path: Path) -> PromptsFolder:
    (tmp_path / "prompts").mkdir()
    return PromptsFolder(tmp_path / "prompts")


def test_a_task_whose_values_are_given_needs_no_round_zero() -> None:
    assert values_config(replace(TASK, attributes={"form": TASK.attributes["form"]})) is None
    config = values_config(TASK)
    assert config is not None
    assert list(config.written) == ["topic", "tone"]


def test_one_sample_lists_values_for_every_condition(tmp_path: Path, documents: DocumentsFolder) -> None:
    config = values_config(TASK)
    assert config is not None
    folder = prompts_folder(tmp_path)
    one = DocumentsFolder(tmp_path / "one")
    one.path.mkdir()
    pq.write_table(documents.passages().slice(0, 1), one.path / "passages.parquet")
    record = plan_values(config, one, folder)
    assert record.planned == folder.plan().num_rows == 12, "four times as many lists of ten as 25 values need"
    turns = folder.task().turns
    assert [turn.prompt for turn in turns.values()] == ["Name some topics.\nList:", "Name some tones.\nList:"]
    assert [turn.max_tokens for turn in turns.values()] == [160, 99]
    assert {turn.parser for turn in turns.values()} == {ParserKind.text}, "no list is too odd to be counted"


def write_samples(folder: Path, rows: list[dict[str, object]]) -> Path:
    """A samples folder whose samples gave these texts."""
    schema = pa.schema([*SAMPLES, ("turn_written_0", pa.string())])
    table = pa.Table.from_pylist([{"sample_id": i, **row} for i, row in enumerate(rows)], schema)
    commit_table(folder, table)
    return folder


def test_the_items_that_were_listed_most_often_become_values(tmp_path: Path) -> None:
    texts = ["1. Pears\n2. Apples.\n- figs", "pears\napples", "PEARS\n\nno|pipes\n" + "x" * 99, None]
    rows: list[dict[str, object]] = [{"turn_written_0": text, "text": "calm\nloud"} for text in texts]
    task = with_values(TASK, write_samples(tmp_path, rows))
    assert task.attributes["topic"] == AttributeConfig({"pears": 1.0, "apples": 1.0, "figs": 1.0})
    assert list(task.attributes["tone"].values) == ["calm", "loud"], "the last turn's answer is the sample's text"
    assert task.attributes["form"] == TASK.attributes["form"]


def test_a_condition_without_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the model wrote no value") as caught:
        with_values(TASK, write_samples(tmp_path, [{"turn_written_0": " ", "text": "calm"}]))
    assert caught.value.where == "task.attributes.topic.written"


def test_demonstrations_are_planned_without_demonstrations(tmp_path: Path, documents: DocumentsFolder) -> None:
    task = replace(TASK, attributes={"form": TASK.attributes["form"]}, prompt="{{ passage.text }} {{ condition.form }}")
    folder = prompts_folder(tmp_path)
    record = plan_demonstrations(SelfInstructConfig(zero_shot(task), 2, 0), documents, folder)
    assert record.planned == 8, "four for each that is wanted"
    assert (folder.pool(), folder.sets()) == ([], [])
    assert set(folder.plan()["condition_form"].to_pylist()) == {"question", "keywords"}


def test_kept_examples_become_demonstrations(tmp_path: Path, documents: DocumentsFolder) -> None:
    kept = [{"sample_id": i, "passage_id": f"d{i}", "query": f"q{i}", "condition_form": "question"} for i in (7, 3, 11)]
    schema = pa.schema([*EXAMPLES, ("condition_form", pa.string())])
    pq.write_table(pa.Table.from_pylist(kept, schema), tmp_path / "kept.parquet")
    first, second = read_demonstrations(tmp_path, documents.path, ["form"], count=2)
    assert (first.query, first.document, first.title) == ("q3", "text 3", "T3"), "the first ones by sample_id"
    assert (second.query, second.conditions) == ("q7", {"form": "question"})


def config_of(corpus: Path, task: Path, *overrides: str) -> RunConfig:
    arguments = ["experiment=adapt", "samples=fake", f"collection={corpus}", f"task={task}", *overrides]
    return load_config(arguments)[0]


@pytest.fixture
def task_file(tmp_path: Path) -> Path:
    (tmp_path / "pears.yaml").write_text(TASK_FILE)
    return tmp_path / "pears.yaml"


def test_round_zero_is_the_same_steps_on_small_plans(corpus: Path, task_file: Path) -> None:
    every = steps(config_of(corpus, task_file, "demonstrations.self_instruct=4"))
    assert [step.entry for step in every] == [
        "documents",
        *(f"round_0/values/{noun}" for noun in ("documents", "prompts", "samples")),
        *(f"round_0/demonstrations/{noun}" for noun in ("prompts", "samples", "examples")),
        *("prompts", "samples", "examples", "model", "report", "system"),
    ]
    prompts = next(step for step in every if step.entry == "prompts")
    assert [step.key for step in prompts.inputs] == ["documents", "values", "demonstrations"]


def test_a_plan_that_grows_finds_round_zero_again(corpus: Path, task_file: Path) -> None:
    small, large = (
        {step.entry: step.fingerprint for step in steps(config_of(corpus, task_file, f"prompts.per_passage={count}"))}
        for count in (1, 9)
    )
    same = {entry for entry in small if small[entry] == large[entry]}
    assert same == {"documents", *(f"round_0/values/{noun}" for noun in ("documents", "prompts", "samples"))}


def test_what_zero_shot_samples_do_not_depend_on_has_no_demonstrations_written_anew(
    corpus: Path, task_file: Path
) -> None:
    def written(*overrides: str) -> dict[str, str]:
        config = config_of(corpus, task_file, "demonstrations.self_instruct=4", *overrides)
        return {step.entry: step.fingerprint for step in steps(config) if step.part_of}

    quotas = "task.quotas=[{where: {form: question}, max: 3}]"
    assert written() == written(quotas, "task.demonstration='{{ demonstration.query }}'", "demonstrations.per_prompt=2")
    assert written() != written("task.instruction='Write in verse.'")
    assert written() != written("demonstrations.seed=8")


def test_the_generator_is_part_of_a_plan_only_where_it_writes(corpus: Path, task_file: Path) -> None:
    def fingerprint(*overrides: str) -> str:
        config = load_config(["experiment=adapt", "samples=fake", f"collection={corpus}", *overrides])[0]
        return next(step.fingerprint for step in steps(config) if step.entry == "prompts")

    hotter = "samples.temperature=0.1"
    assert fingerprint() == fingerprint(hotter)
    assert fingerprint("demonstrations.self_instruct=4") != fingerprint("demonstrations.self_instruct=4", hotter)
    assert fingerprint(f"task={task_file}") != fingerprint(f"task={task_file}", hotter)


@pytest.mark.slow
def test_what_the_generator_writes_is_planned_with_and_can_be_traced(
    synthmill_here: CommandLineHere, task_file: Path
) -> None:
    synthmill = synthmill_here
    write_corpus(synthmill.folder / "notes", 20)
    arguments = (
        "experiment=adapt",
        "samples=fake",
        "collection=notes",
        "task=pears.yaml",
        "run_dir=run",
        "tracking=off",
    )
    done = synthmill.run(*arguments, "demonstrations.self_instruct=5", "until=samples")
    assert done.returncode == 0, done.stderr
    prompts = PromptsFolder(synthmill.folder / "run" / "prompts")
    topics = prompts.record().num_values["topic"]
    assert 1 < topics <= 3
    assert set(prompts.plan()["condition_topic"].to_pylist()) <= set(prompts.task().attributes["topic"].values)
    assert prompts.task().attributes["topic"].written is None, "frozen with the plan"
    pool = prompts.pool()
    assert len(pool) == len({shown.query for shown in pool}) == 5
    assert {shown.conditions["form"] for shown in pool} <= {"question", "keywords"}
    for part, number in (("values", "0"), ("demonstrations", "3")):
        traced = synthmill.run("trace", f"run/round_0/{part}", number)
        assert traced.returncode == 0, traced.stderr
    again = synthmill.run(*arguments, "demonstrations.self_instruct=5", "until=samples", "prompts.per_passage=2")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("round 0") == again.stdout.count("unchanged:") - 1 == 6, again.stdout
    record = json.loads((synthmill.folder / "run" / "prompts" / "record.json").read_text())
    assert record["inputs"].keys() == {"documents", "values", "demonstrations"}
    shown_by_hand = synthmill.run(*arguments, "until=prompts")
    assert shown_by_hand.returncode == 0, shown_by_hand.stderr
    assert [part.name for part in (synthmill.folder / "run" / "round_0").iterdir()] == ["values"]


def test_two_sources_of_demonstrations_are_refused() -> None:
    with pytest.raises(UserError, match="two sources of demonstrations"):
        replace(SHOWN, self_instruct=2, from_qrels=3)

"""The prompts step: what it writes and records, for a first round, a later one and the small plans of round 0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PROMPTS
from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.errors import UserError
from engine.prompts.config import PromptsConfig, RoundConfig, RowsPromptsConfig, SelfInstructConfig, ValuesConfig
from engine.prompts.step import plan_prompts
from engine.task.config import AttributeConfig, PromptKind, QuotaConfig, WrittenConfig
from engine.task.render import Ask
from tests.support.places import printed, quiet_place
from tests.support.planning import SIZES, WORDS, Plan, prompts_config, write_documents
from tests.support.rows import ABOUT_BODY, MODEL, write_rows


def test_plans_every_passage_and_says_so(plan: Plan) -> None:
    folder, record = plan(prompts_config(per_passage=2))
    table = folder.plan()
    assert table.schema.names == [*PROMPTS.names, "condition_form"]
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "demonstration_pool.parquet",
        "demonstration_sets.parquet",
        "plan-00000.parquet",
        "task.json",
    ]
    forms = table["condition_form"].to_pylist()
    assert record == PromptsRecord(
        planned=60,
        prefixes=len(set(table["prefix"].to_pylist())),
        prompt_tokens=sum(table["prompt_tokens"].to_pylist()),
        num_values={"form": 2},
        distribution={"form": {name: round(forms.count(name) / 60, 4) for name in ("keywords", "question")}},
        ended_early="",
        demonstrations=48,
        demonstration_sets=6,
    )


def test_prefixes_follow_the_instruction_and_nothing_else(plan: Plan) -> None:
    attributes = {"word": WORDS, "size": SIZES}
    task = {"instruction": "Size {{ condition.size }}. ", "prompt": "{{ passage.text }} {{ condition.word }}:"}
    folder, record = plan(prompts_config({**task, "attributes": attributes}, per_passage=10))
    renderer = folder.prompts().compile().first
    texts: dict[int, set[str]] = {}
    for row in folder.plan().to_pylist():
        conditions = {name: row[f"condition_{name}"] for name in attributes}
        texts.setdefault(row["prefix"], set()).add(renderer.prefix(row["demonstration_set"], conditions))
    assert all(len(same) == 1 for same in texts.values()), "one prefix, one text"
    assert len({text for same in texts.values() for text in same}) == len(texts) == record.prefixes == 9


def test_quotas_end_the_plan_and_the_record_says_so(documents: Path, tmp_path: Path) -> None:
    quotas = [QuotaConfig({"size": "1"}, 7), QuotaConfig({"size": ["2", 3]}, 9)]
    config = prompts_config({"attributes": {"size": SIZES}, "quotas": quotas})
    place, folder = quiet_place(tmp_path), PromptsFolder(tmp_path / "prompts")
    folder.path.mkdir()
    record = plan_prompts(config, {"documents": documents}, folder.path, place)
    sizes = folder.plan()["condition_size"].to_pylist()
    assert (sizes.count("1"), len(sizes)) == (7, 16)
    assert record.ended_early == "no cell was free after 16 of 30 samples"
    assert "the plan is shorter than asked for: no cell was free after 16 of 30 samples" in printed(place)


def test_exclusions_reach_the_plan(plan: Plan) -> None:
    folder, _ = plan(prompts_config({"attributes": {"size": SIZES}, "exclude": [{"size": 2}]}))
    assert set(folder.plan()["condition_size"].to_pylist()) == {"1", "3"}


def test_what_was_planned_is_rendered_again(plan: Plan) -> None:
    folder, _ = plan(prompts_config())
    prompts = folder.prompts()
    assert prompts.task == prompts_config().task
    assert [len(chosen) for chosen in prompts.sets] == [2] * 6
    assert [{shown.conditions["form"] for shown in chosen} for chosen in prompts.sets] == [
        *[{"question"}] * 3,
        *[{"keywords"}] * 3,
    ]
    text = prompts.compile().first.text(Ask({"title": "T", "text": "x"}, 4, {"form": "keywords"}))
    assert text.startswith(f"Passage: {prompts.sets[4][0].document}\nQuery: {prompts.sets[4][0].query}\n\n")
    assert text.endswith("\n\nPassage: T x\nQuery:")


def test_the_same_config_plans_the_same(plan: Plan) -> None:
    first, second, other = (plan(prompts_config(seed=seed))[0].path for seed in (0, 0, 1))
    for name in ("plan-00000.parquet", "demonstration_sets.parquet"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert (first / "plan-00000.parquet").read_bytes() != (other / "plan-00000.parquet").read_bytes()


def write_examples(folder: Path, plan: pa.Table, num_kept: int) -> Path:
    """Writes an examples folder that kept the first samples of a plan and rejected the others for their length."""
    folder.mkdir()
    columns = plan.select([name for name in plan.column_names if name == "passage_id" or "condition_" in name])
    pq.write_table(columns.slice(0, num_kept), folder / KEPT_FILE)
    rejected = columns.slice(num_kept)
    pq.write_table(rejected.append_column("reason", [["length"] * len(rejected)]), folder / REJECTED_FILE)
    return folder


def test_a_later_round_begins_with_the_rows_so_far(documents: Path, tmp_path: Path, plan: Plan) -> None:
    config = prompts_config(per_passage=2, rounds=2)
    first, _ = plan(config)
    assert len(first.plan()) == 30, "half of the samples in the first of two rounds"
    examples = write_examples(tmp_path / "examples", first.plan(), 10)
    output = PromptsFolder(tmp_path / "next")
    output.path.mkdir()
    inputs = {"documents": documents, "prompts": first.path, "examples": examples}
    record = plan_prompts(RoundConfig(config, 2), inputs, output.path, quiet_place(tmp_path))
    table = output.plan()
    assert table.slice(0, 30).equals(first.plan())
    assert table["round"].to_pylist() == [0] * 30 + [1] * 30
    assert record.planned == 60
    assert record.weights.keys() == {"form"}
    assert sum(record.weights["form"].values()) == pytest.approx(1)
    assert (output.task(), output.pool(), output.sets()) == (first.task(), first.pool(), first.sets())


def test_values_are_planned_as_samples_without_conditions(tmp_path: Path) -> None:
    config = ValuesConfig(PromptKind.completion, {"topic": WrittenConfig("Topics:"), "tone": WrittenConfig("Tones:")})
    blank, output = write_documents(tmp_path / "documents", 1), PromptsFolder(tmp_path / "prompts")
    output.path.mkdir()
    record = plan_prompts(config, {"documents": blank}, output.path, quiet_place(tmp_path))
    assert output.plan().column_names == PROMPTS.names
    assert record.planned == len(output.plan()) > 1
    assert [turn.prompt for turn in output.task().turns.values()] == ["Topics:", "Tones:"]


def test_demonstrations_are_planned_without_any(documents: Path, tmp_path: Path) -> None:
    config: PromptsConfig = prompts_config({"attributes": {"form": AttributeConfig({"a": 1.0, "b": 1.0})}})
    output = PromptsFolder(tmp_path / "prompts")
    output.path.mkdir()
    shown = SelfInstructConfig(config.task, count=5, seed=0)
    record = plan_prompts(shown, {"documents": documents}, output.path, quiet_place(tmp_path))
    assert (record.planned, record.demonstrations) == (20, 0)
    assert set(output.plan()["condition_form"].to_pylist()) == {"a", "b"}
    assert (output.pool(), output.sets()) == ([], [])


@pytest.mark.parametrize(
    ("task", "where", "what"),
    [
        ({"prompt": "{{ passage.body }}"}, "task.prompt", "there is no 'body'"),
        ({"prompt": "{{ passage.text "}, "task.prompt", "does not parse"),
        ({"demonstration": "{{ query }}"}, "task.demonstration", "there is no 'query'"),
        ({"instruction": "{{ condition.tone }}"}, "task.instruction", "there is no 'tone'"),
        ({"instruction": "{{ ''.__class__.__mro__ }}"}, "task.instruction", "unsafe"),
        ({"attributes": {"form": AttributeConfig({"question": -1.0})}}, "task.attributes.form.values", "draw nothing"),
    ],
)
def test_a_template_mistake_is_refused_before_any_engine(
    plan: Plan, task: dict[str, object], where: str, what: str
) -> None:
    with pytest.raises(UserError) as caught:
        plan(prompts_config(task))
    assert caught.value.where == where
    assert what in caught.value.what


def test_rows_that_begin_alike_are_planned_as_neighbours(tmp_path: Path) -> None:
    documents = [f"{name} " * 60 for name in ("bees", "rivers", "towns")]
    bodies: list[object] = [f"{documents[number % 3]}, question {number // 3}" for number in range(12)]
    ids = [f"row{number}" for number in range(12)]
    write_rows(tmp_path / "rows", ids, {"body": bodies})
    output, place = tmp_path / "prompts", quiet_place(tmp_path)
    output.mkdir()
    config = RowsPromptsConfig(ABOUT_BODY, MODEL, context_tokens=512, per_row=2)
    record = plan_prompts(config, {"rows": tmp_path / "rows"}, output, place)
    assert isinstance(record, PromptsRecord)
    plan = PromptsFolder(output).plan()
    expected = [f"row{number}" for first in range(3) for number in range(first, 12, 3)]
    assert plan["passage_id"].to_pylist() == [row for row in expected for _ in range(2)]
    assert (plan["sample_id"].to_pylist(), record.prefixes) == (list(range(24)), 1)
    assert "tokens stand in an earlier prompt as well, in whole cache blocks of 16 tokens" in printed(place)
    assert not list(output.glob("grouping-*"))


def test_a_plan_about_rows_is_the_same_whatever_blocks_its_engines_have() -> None:
    on_gpu = RowsPromptsConfig(ABOUT_BODY, MODEL, context_tokens=512)
    assert replace(on_gpu, block_tokens=128).identity() == on_gpu.identity()

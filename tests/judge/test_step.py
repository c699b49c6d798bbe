"""The plan of a judge: what is asked about, under which ids; and a run that two models judge, one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES, PROMPTS
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.judged import QUERY, Criterion, read_judged
from engine.artifacts.prompts import PromptsFolder, size_of
from engine.artifacts.samples import SamplesFolder, samples_schema
from engine.filters.chain import FiltersConfig
from engine.judge.config import JudgementsConfig, RubricConfig
from engine.judge.rubric import rubric_task
from engine.judge.step import plan_judgements
from engine.samples.planned import PlannedIndex
from engine.samples.step import generate_samples
from engine.storage.ids import IdSet
from engine.task.config import TaskConfig
from tests.support.command_line import CommandLineHere
from tests.support.committed import commit_table
from tests.support.corpus import write_corpus
from tests.support.jobs import FAKE
from tests.support.places import quiet_place

TEXTS = [" Query: what is a pump\nmore", "", "why do bees dance", "failed", "what is a pump", "how deep is the lake"]
"""What was written for the samples 0 to 5; the second says nothing, and the fourth failed."""
UNSURE = Criterion("clarity", "judged_clarity", "judge", ("score_listed_yes",), "", 0.1, 0.9)
CONFIG = JudgementsConfig(rubric_task("clarity", RubricConfig("{{ query }}?")), "clarity", FiltersConfig())
UNFILTERED = replace(CONFIG, filters=FiltersConfig(use=[]))


def filled(schema: pa.Schema, **values: object) -> pa.Table:
    """Rows 0 to 5 of a schema, with nothing in the columns that are not given."""
    empty = {field.name: [""] * 6 if pa.types.is_string(field.type) else np.zeros(6) for field in schema}
    return pa.table({**empty, "sample_id": range(6), **values}).cast(schema)


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """Three passages, a plan in two files, and samples in two parts that are not in the order of their ids."""
    folders = {name: tmp_path / name for name in ("documents", "prompts", "samples")}
    folders["documents"].mkdir()
    folders["prompts"].mkdir()
    texts = {"a": "x", "b": "Bees dance.", "c": "Who asks how deep is the lake?"}
    about = [{"passage_id": name, "title": "", "text": text} for name, text in texts.items()]
    pq.write_table(pa.Table.from_pylist(about, schema=PASSAGES), folders["documents"] / "passages.parquet")
    PromptsFolder(folders["prompts"]).write_basis(TaskConfig(prompt="{{ passage.text }}"), [], [])
    with_form = PROMPTS.append(pa.field("condition_form", pa.string()))
    passages = {"passage_id": ["a", "a", "b", "b", "a", "c"], "condition_form": ["question"] * 6}
    plan = filled(with_form, **passages, cell=["form=question"] * 6, replicate=range(6), prefix=[7] * 6)
    for number in range(2):
        PromptsFolder(folders["prompts"]).write_chunk(number, plan.slice(3 * number, 3))
    status = ["generated"] * 3 + ["failed"] + ["generated"] * 2
    samples = filled(samples_schema(["form"]), **passages, text=TEXTS, status=status)
    commit_table(folders["samples"], samples.take([5, 0, 3]))
    commit_table(folders["samples"], samples.take([4, 2, 1]))
    return folders


def planned(config: JudgementsConfig, inputs: dict[str, Path], output: Path) -> pa.Table:
    output.mkdir()
    record = plan_judgements(config, inputs, output, quiet_place(output))
    table = PromptsFolder(output).plan()
    assert record.planned == table.num_rows
    return table


def test_every_sample_with_a_text_is_asked_about_under_its_own_id(inputs: dict[str, Path], tmp_path: Path) -> None:
    table = planned(UNFILTERED, inputs, tmp_path / "judge")
    assert table["sample_id"].to_pylist() == [0, 2, 4, 5]
    assert table["passage_id"].to_pylist() == ["a", "b", "a", "c"]
    queries = ["what is a pump", "why do bees dance", "what is a pump", "how deep is the lake"]
    assert table[f"condition_{QUERY}"].to_pylist() == queries
    assert table["condition_form"].to_pylist() == ["question"] * 4
    assert set(table["prefix"].to_pylist()) == {0}
    assert PromptsFolder(tmp_path / "judge").task() == UNFILTERED.task
    assert not list((tmp_path / "judge").glob(".texts-*"))


def test_what_a_row_filter_rejects_is_not_asked_about(inputs: dict[str, Path], tmp_path: Path) -> None:
    assert planned(CONFIG, inputs, tmp_path / "copied")["sample_id"].to_pylist() == [0, 2, 4], "5 is its passage's text"
    short = replace(CONFIG, filters=FiltersConfig(use=["length"], min_words=5))
    assert planned(short, inputs, tmp_path / "short")["sample_id"].to_pylist() == [5]
    nothing = replace(CONFIG, filters=FiltersConfig(use=["length"], min_words=50))
    assert planned(nothing, inputs, tmp_path / "nothing").num_rows == 0


def test_a_text_is_part_of_the_key_so_that_another_one_is_judged_anew(inputs: dict[str, Path], tmp_path: Path) -> None:
    cells = planned(UNFILTERED, inputs, tmp_path / "judge")["cell"].to_pylist()
    assert all(cell.startswith("form=question|") for cell in cells)
    assert cells[0] == cells[2] != cells[1], "by the cleaned text"
    index = PlannedIndex(PromptsFolder(tmp_path / "judge"), IdSet(6))
    assert index.find(planned(UNFILTERED, inputs, tmp_path / "again"))["sample_id"].to_pylist() == [0, 2, 4, 5]


def judged_by_another(folder: Path, figures: list[float]) -> None:
    commit_table(folder, pa.table({"sample_id": [0, 2, 4, 5], "score_listed_yes": figures}))


def test_whom_an_earlier_model_is_sure_of_is_not_asked_about_again(inputs: dict[str, Path], tmp_path: Path) -> None:
    inputs["judged_clarity"] = tmp_path / "earlier"
    judged_by_another(inputs["judged_clarity"], [0.95, 0.5, 0.05, float("nan")])
    again = replace(UNFILTERED, earlier=(UNSURE,))
    assert planned(again, inputs, tmp_path / "second")["sample_id"].to_pylist() == [2, 5]
    other = replace(again, rubric="relevance")
    assert planned(other, inputs, tmp_path / "other")["sample_id"].to_pylist() == [0, 2, 5], "4 is rejected already"


def test_a_plan_may_have_no_rows_and_then_no_engine_is_started(inputs: dict[str, Path], tmp_path: Path) -> None:
    inputs["judged_clarity"] = tmp_path / "earlier"
    judged_by_another(inputs["judged_clarity"], [0.0] * 4)
    table = planned(replace(UNFILTERED, earlier=(UNSURE,)), inputs, tmp_path / "second")
    assert table.num_rows == 0
    folder = PromptsFolder(tmp_path / "second")
    assert (folder.conditions(), size_of(folder.plan_files())) == (["form", QUERY], 0)
    answers = tmp_path / "answers"
    answers.mkdir()
    folders = {"documents": inputs["documents"], "prompts": folder.path}
    assert generate_samples(FAKE, folders, answers, quiet_place(tmp_path)).planned == 0
    assert read_judged(answers, UNSURE).ids.tolist() == []


@pytest.mark.slow
def test_two_models_judge_a_run_and_what_they_said_is_shown(synthmill_here: CommandLineHere) -> None:
    synthmill = synthmill_here
    write_corpus(synthmill.folder / "notes", 30)
    filters = ("examples.filters.judge=clarity", "examples.filters.min_information=-0.05")
    # The fake generator's verdicts lie about a half, so that 0.55 is sure for it.
    models = ("judge.cascade=[{model: small}]", "judge.model=large", "judge.sure=0.55")
    fast = ("samples=fake", "examples.round_trip.enabled=false", "examples.dedup.near=false", "tracking=off")
    arguments = ("experiment=adapt", "collection=notes", "run_dir=run", "until=examples", *fast, *filters, *models)
    done = synthmill.run(*arguments)
    assert done.returncode == 0, done.stderr
    run = synthmill.folder / "run"
    clarity = Criterion("clarity", "", "judge", ("score_listed_yes", "score_reversed_yes"), "", 0.45, 0.55)
    first = read_judged(run / "judge" / "clarity" / "samples", clarity)
    second = read_judged(run / "judge" / "clarity-2" / "samples", clarity)
    unsure = first.ids[~clarity.settles(first.figures)]
    assert 0 < len(unsure) < len(first.ids) < SamplesFolder(run / "samples").record().generated
    assert second.ids.tolist() == unsure.tolist()
    examples = ExamplesFolder(run / "examples")
    rejected = examples.rejected(["sample_id", "reason", "detail"]).to_pylist()
    assert {"judge", "information"} <= examples.record().rejected.keys()
    turned_down = [row for row in rejected if row["reason"] == "judge"]
    by_first = set(first.ids[first.figures < 0.45].tolist())
    by_second = set(second.ids[second.figures < 0.5].tolist())
    assert {row["sample_id"] for row in turned_down} <= by_first | by_second
    assert not set(examples.kept(["sample_id"])["sample_id"].to_pylist()) & (by_first | by_second)
    traced = synthmill.run("trace", "run", str(turned_down[0]["sample_id"]))
    assert traced.returncode == 0, traced.stderr
    assert "score_listed_yes" in traced.stdout
    assert f"rejected by judge: {turned_down[0]['detail']}" in " ".join(traced.stdout.split())
    assert synthmill.run("trace", "run/judge/clarity", str(first.ids[0])).returncode == 0
    names = pq.read_schema(SamplesFolder(run / "judge" / "clarity" / "samples").parts()[0]).names
    assert f"condition_{QUERY}" in names

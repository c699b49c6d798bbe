"""The real engine on the real bundled model: the same loop and parts, with vLLM in them."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES, condition_names
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import SamplesFolder
from engine.command_line.compose import load_config
from engine.command_line.groups import choices
from engine.generation.config import GeneratorConfig
from engine.generation.jobs import Unit, make_units
from engine.generation.pool import EnginePool
from engine.generation.vllm_generator import SLEEP_MODE
from engine.models.resolve import resolve_model
from engine.prompts.step import plan_prompts
from engine.runtime.place import Place
from engine.task.compiled import Prompts
from engine.task.config import TaskConfig, TurnConfig
from tests.support.jobs import TASK, job_at, rows
from tests.support.scored_turns import check_scored_turns

SONG = "la la la la la la la la la la la la"
REVIEWS = TaskConfig(
    turns={
        "song": TurnConfig(SONG, temperature=0.0, max_tokens=16),
        "varied": TurnConfig(SONG, temperature=0.0, max_tokens=16, frequency_penalty=2.0),
        "mood": TurnConfig("The mood of a text about {{ passage.text }} is", choice=["good", "bad"]),
        "day": TurnConfig("Today is", regex=r"(?P<year>20[0-9]{2})-(?P<month>0[1-9])", temperature=0.0),
        "review": TurnConfig(
            "A {{ turns.mood.text }} review of {{ passage.text }} from {{ turns.day.year }} as JSON: ",
            json_schema={
                "type": "object",
                "properties": {"stars": {"type": "integer"}, "sure": {"type": "boolean"}},
                "required": ["stars", "sure"],
                "additionalProperties": False,
            },
            max_tokens=40,
        ),
    }
)

SHORTER = {
    "product_reviews": {"review": 40},
    "stories": {"story": 48},
    "story_features": {"plan": 48, "sentence": 24, "story": 72},
    "story_tree": {"summary": 40, "sentence": 24, "story": 48},
    "textbook": {"excerpt": 48, "code": 64},
}
"""The tokens after which turns that write long texts are cut here, by task: nothing else is true of longer ones."""

SHAPES = ("fact_cards", "fever", "queries", "reviews", "story_tree", "textbook")
"""Tasks of which each has what no other of them has: fields, few shots, none, values by values, branches, code."""


def check_structured_turns(pool: EnginePool, folder: Path) -> None:
    """Choice, regular expression and JSON schema on the engine that runs already, with replicates of one prompt."""
    reviews = job_at(folder, Prompts(REVIEWS, []))
    work = rows(6)
    same = ["p0"] * 3 + work["passage_id"].to_pylist()[3:]
    text = ["bees"] * 3 + work["text"].to_pylist()[3:]
    for name, values in (("passage_id", same), ("text", text)):
        work = work.set_column(work.column_names.index(name), name, [values])
    [totals] = pool.generate(*reviews, [Unit(0, work)], lambda _: None)
    samples = SamplesFolder(folder).rows().to_pylist()
    assert [row["sample_id"] for row in samples] == list(range(6)), "all samples of a request are rows"
    assert totals.requests == 6 + 6 + 4 + 6 + 6, [row["error"] for row in samples]
    done = [row for row in samples if row["status"] == "generated"]
    assert len(done) >= 3, [row["error"] for row in samples]
    for row in done:
        assert row["turn_song"] != row["turn_varied"], "both greedy on one prompt: the penalty is of one turn alone"
        assert row["turn_mood"] in {"good", "bad"}
        assert row["turn_day"] == f"{row['field_year']}-{row['field_month']}"
        assert isinstance(row["field_stars"], int)
        assert isinstance(row["field_sure"], bool)
        assert json.loads(row["text"]) == {"stars": row["field_stars"], "sure": row["field_sure"]}
    for row in samples:
        assert row["status"] == "generated" or row["error"].startswith("turn review: no JSON")


def check_shipped_tasks(pool: EnginePool, folder: Path, place: Place, names: Iterable[str]) -> None:
    """Tasks of conf/task/ on the engine that runs already: planned as a run plans them, written by the model."""
    documents = folder / "documents"
    documents.mkdir(parents=True)
    texts = [
        "Bees tell their sisters where flowers are by dancing on the comb; the angle of the dance is that to the sun.",
        "A tenant may give notice at any time, but the contract ends at the close of the third month after the letter.",
    ]
    passages = [
        {"passage_id": f"d{i}", "document_id": f"d{i}", "title": "", "text": text, "position": 0, "num_tokens": 30}
        for i, text in enumerate(texts * 3)
    ]
    pq.write_table(pa.Table.from_pylist(passages, PASSAGES), documents / "passages.parquet")
    for name in names:
        overrides = [f"task={name}", "samples.context_tokens=1024", "demonstrations.max_document_tokens=60"]
        overrides += [f"task.turns.{turn}.max_tokens={tokens}" for turn, tokens in SHORTER.get(name, {}).items()]
        config = load_config(["experiment=adapt", *overrides, "documents.path=unused", "prompts.per_passage=1"])[0]
        prompts, written = folder / f"{name}-prompts", folder / name
        prompts.mkdir()
        plan_prompts(config.prompts, {"documents": documents}, prompts, place)
        plan = PromptsFolder(prompts).plan()
        unit = pa.concat_tables([part.rows for part in make_units(plan, DocumentsFolder(documents).joinable(), 100)])
        job, parts = job_at(written, PromptsFolder(prompts).prompts())
        pool.generate(replace(job, conditions=condition_names(plan)), parts, [Unit(0, unit)], lambda _: None)
        samples = SamplesFolder(written).rows().to_pylist()
        assert len(samples) == 6, name
        turns = list(config.task.turns)
        for row in samples:
            assert row["status"] == "generated" or row["error"].startswith("turn "), (name, row["error"])
            assert all(row[f"condition_{attribute}"] is not None for attribute in config.task.attributes), name
            if row["status"] == "generated":
                assert row["text"].strip(), name
                assert all(row[f"turn_{turn}"] for turn in turns[:-1]), name
        done = [row for row in samples if row["status"] == "generated"]
        assert done or name == "textbook", (name, [row["error"] for row in samples])  # its code must compile
        if name == "textbook":
            assert all(ast.parse(row["text"]) for row in done)
        if name == "fact_cards":
            assert all(1 <= row["field_difficulty"] <= 5 and row["field_title"] for row in done)
        if name == "reviews":
            dependent = config.task.attributes["aspect"]
            for row in samples:
                assert row["condition_aspect"] in dependent.by.get(row["condition_product"], dependent.values)


CONFIG = GeneratorConfig(
    seed=0, max_tokens=12, context_tokens=1024, max_num_seqs=8, kv_cache_bytes=2**28, cpus_per_engine=1
)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_vllm_writes_every_row_and_refuses_a_prompt_that_is_too_long(tmp_path: Path, place: Place) -> None:
    config = replace(CONFIG, engine_args={SLEEP_MODE: True})
    work = rows(12)
    texts = [f"bees dance on the comb {text}" for text in work["text"].to_pylist()]
    texts[5] = "word " * 1400
    work = work.set_column(work.column_names.index("text"), "text", [texts])
    try:
        pool = place.engines.start(config, place)
        assert isinstance(pool, EnginePool)
        totals = pool.generate(*job_at(tmp_path), [Unit(0, work)], lambda _: None)
        assert pool.engines[0].cache_tokens > 8 * 256, "routing knows how much the cache holds"
        assert not pool.engines[0].can_sleep, "vLLM has no sleep on a CPU, and is not asked for it"
        samples = {row["sample_id"]: row for row in SamplesFolder(tmp_path).rows().to_pylist()}
        assert sorted(samples) == list(range(12))
        assert samples[5]["status"] == "failed"
        assert "1024" in samples[5]["error"]
        written = [row for number, row in samples.items() if number != 5]
        assert all(row["status"] == "generated" and 0 < row["output_tokens"] <= 12 for row in written)
        assert all(row["logprob"] < 0 for row in written)
        assert totals[0].counters["prefix_cache_queries"] > 0
        assert TASK.stop == ["\n"]
        assert all("\n" not in row["text"] for row in written)
        check_structured_turns(pool, tmp_path / "turns")
        bundled = resolve_model(config.model, key="samples.model")
        check_scored_turns(pool, tmp_path / "scores", model="", weights=bundled, tolerance=0.15)  # bfloat16
        check_shipped_tasks(pool, tmp_path / "tasks", place, SHAPES)
    finally:
        place.engines.stop()


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_vllm_writes_what_the_other_tasks_ask_for(tmp_path: Path, place: Place) -> None:
    try:
        pool = place.engines.start(CONFIG, place)
        assert isinstance(pool, EnginePool)
        # The task `rows` asks what rows say, of which there are none here.
        check_shipped_tasks(pool, tmp_path / "tasks", place, sorted({*choices("task")} - {"rows", *SHAPES}))
    finally:
        place.engines.stop()

"""The examples step on hand-made parts: real Ray Data, the bundled encoder, every sample accounted for."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES, PASSAGES
from engine.artifacts.examples import ExamplesRecord
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import SamplesFolder, samples_schema
from engine.errors import UserError
from engine.examples.config import ExamplesConfig
from engine.examples.duplicates.config import DedupConfig
from engine.examples.round_trip import RoundTripConfig
from engine.examples.step import curate_examples
from engine.filters.chain import FiltersConfig
from engine.runtime.cluster import ClusterConfig
from engine.runtime.place import Place
from engine.search.encoder import EncoderConfig
from engine.task.config import PromptKind, TaskConfig, TurnConfig
from engine.task.render import Demonstration
from tests.support.committed import commit_table
from tests.support.places import quiet_place

ENCODER = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64)
PASSAGE_TEXTS = {
    "bread": "Sourdough bread rises slowly because the wild yeast in the starter needs many hours.",
    "bees": "Honey bees dance in the hive to tell each other in which direction the flowers are.",
    "pumps": "A centrifugal pump moves water with a spinning impeller and has no valves at all.",
    "loans": "A mortgage is a loan that a bank secures by the house that the borrower buys with it.",
    "clocks": "A pendulum clock loses time in summer because its rod grows longer when it is warm.",
}
SAMPLES = [
    (" why does sourdough take so long to rise\n", "bread", "stop"),
    ('Query: "Why does sourdough take so long to rise?"', "bread", "stop"),
    ("how do bees tell each other where flowers are", "bees", "stop"),
    ("how do bees tell each other where flowers are now", "bees", "stop"),
    ("the wild yeast in the starter needs many hours", "bread", "stop"),
    ("bees", "bees", "stop"),
    ("```", "pumps", "stop"),
    ("I'm sorry, I cannot do that", "pumps", "stop"),
    ("how does a pump without", "pumps", "length"),
    ("what is a good demonstration query", "pumps", "stop"),
    ("what secures a mortgage", "clocks", "stop"),
    ("what secures a bank loan for a house", "loans", "stop"),
    ("why is my pendulum clock slow in summer", "clocks", "stop"),
]
REASONS = ["", "exact_duplicate", "", "near_duplicate", "copy", "length", "format", "refusal", "cut_off", "prompt_leak"]
REASONS += ["round_trip", "", ""]


def make_config(**fields: object) -> ExamplesConfig:
    ready = {"encoder": ENCODER, "seed": 0, "round_trip": RoundTripConfig(top_k=1)}
    return ExamplesConfig(**ready | fields)  # type: ignore[arg-type]


@pytest.fixture
def place(tmp_path: Path, ray_session: None) -> Place:
    return quiet_place(tmp_path, cluster=ClusterConfig(num_cpus=2))


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    folders = {noun: tmp_path / "in" / noun for noun in ("documents", "prompts", "samples")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    rows = [
        {"passage_id": name, "document_id": name, "title": "", "text": text, "position": 0, "num_tokens": 20}
        for name, text in PASSAGE_TEXTS.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), folders["documents"] / "passages.parquet")
    write_prompts(folders["prompts"], TaskConfig(instruction="Write a query.", prompt="{{ passage.text }}"))
    write_samples(folders["samples"])
    return folders


def write_prompts(folder: Path, task: TaskConfig) -> None:
    """The task, and one demonstration that every prompt shows."""
    shown = [Demonstration("A document.", "a good demonstration query")]
    PromptsFolder(folder).write_basis(task, shown, [shown])


def write_samples(folder: Path, samples: list[tuple[str, str, str]] = SAMPLES) -> None:
    """Two parts of two attempts in completion order, and one failed sample."""
    rows = [
        {
            "sample_id": 3 * number,
            "passage_id": passage_id,
            "status": "generated",
            "error": "",
            "text": text,
            "logprob": -1.0,
            "finish_reason": finish,
            "condition_form": "question",
        }
        for number, (text, passage_id, finish) in enumerate(samples)
    ]
    rows.append({"sample_id": 1, "passage_id": "bees", "status": "failed", "error": "too long", "text": ""})
    rows.reverse()
    for part in (rows[:5], rows[5:]):
        commit_table(folder, pa.Table.from_pylist(part, schema=samples_schema(["form"])))


def curate(
    config: ExamplesConfig, inputs: dict[str, Path], place: Place, name: str = "out"
) -> tuple[pa.Table, ExamplesRecord]:
    output = place.run_dir / name
    output.mkdir(parents=True)
    record = curate_examples(config, inputs, output, place)
    both = [pq.read_table(output / f"{file}.parquet") for file in ("kept", "rejected")]
    assert all(table.schema.equals(pa.schema([*EXAMPLES, ("condition_form", pa.string())])) for table in both)
    assert set(both[0]["reason"].to_pylist()) <= {""}
    assert "" not in both[1]["reason"].to_pylist()
    return pa.concat_tables(both).sort_by("sample_id"), record


def test_every_generated_sample_is_kept_or_rejected_with_its_reason(inputs: dict[str, Path], place: Place) -> None:
    table, record = curate(make_config(), inputs, place)
    generated = [
        row["sample_id"] for row in SamplesFolder(inputs["samples"]).rows().to_pylist() if row["status"] == "generated"
    ]
    assert table["sample_id"].to_pylist() == generated
    assert table["reason"].to_pylist() == REASONS
    assert record.kept == REASONS.count("")
    assert record.rejected == dict.fromkeys(record.rejected, 1)
    assert set(record.rejected) == set(REASONS) - {""}
    assert record.train + record.validation == record.kept
    assert record.analyser == "English: Snowball stemmer, stop words"
    assert set(record.seconds) == {"row_filters", "duplicates", "round_trip", "write"}


def test_kept_rows_hold_what_training_reads(inputs: dict[str, Path], place: Place) -> None:
    table, _ = curate(make_config(), inputs, place)
    first = table.to_pylist()[0]
    assert first["query"] == "why does sourdough take so long to rise"
    assert first["passage"] == PASSAGE_TEXTS["bread"]
    assert first["document_id"] == "bread"
    assert first["condition_form"] == "question"
    assert first["round_trip_rank"] == 1
    ranks = dict(zip(table["reason"].to_pylist(), table["round_trip_rank"].to_pylist(), strict=True))
    assert ranks["round_trip"] > 1, "the rank of what the round trip rejects is stored"
    assert ranks["near_duplicate"] == 0, "not measured"


def test_blocks_and_cores_change_nothing(
    inputs: dict[str, Path], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = curate(make_config(), inputs, place, "whole")
    monkeypatch.setattr("engine.filters.blocks.MIN_BLOCK_ROWS", 2)
    monkeypatch.setattr("engine.filters.blocks.MAX_BLOCK_ROWS", 2)
    blocks, _ = curate(make_config(), inputs, place, "blocks")
    assert whole.equals(blocks)


def test_a_sample_that_failed_is_neither_kept_nor_rejected(inputs: dict[str, Path], place: Place) -> None:
    table, _ = curate(make_config(), inputs, place)
    assert 1 not in table["sample_id"].to_pylist()


def test_each_part_can_be_left_out(inputs: dict[str, Path], place: Place) -> None:
    config = make_config(
        filters=FiltersConfig(use=[]),
        dedup=DedupConfig(exact=False, near=False),
        round_trip=RoundTripConfig(enabled=False),
        max_per_passage=1,
        validation_share=0.0,
    )
    table, record = curate(config, {noun: inputs[noun] for noun in ("documents", "samples")}, place)
    assert record.rejected == {"max_per_passage": len(SAMPLES) - len(PASSAGE_TEXTS)}
    assert record.train == record.kept == len(PASSAGE_TEXTS)
    assert set(table["round_trip_rank"].to_pylist()) == {0}


def test_a_corpus_of_which_nothing_is_kept(inputs: dict[str, Path], place: Place) -> None:
    with pytest.raises(UserError) as caught:
        curate(make_config(filters=FiltersConfig(min_words=40)), inputs, place)
    assert caught.value.where == "examples"
    assert caught.value.what.startswith(
        f"none of {len(SAMPLES)} generated samples is kept (rejected: format 1, length 12"
    )
    assert "examples.filters.min_words" in caught.value.remedy
    assert not list((place.run_dir / "out").iterdir())


def test_all_samples_failed(inputs: dict[str, Path], place: Place, tmp_path: Path) -> None:
    empty = tmp_path / "failed"
    empty.mkdir()
    write_samples(empty, [])
    with pytest.raises(UserError, match="samples: all 1 samples failed, the first with: too long; mend that"):
        curate(make_config(), inputs | {"samples": empty}, place)


SECOND_TEMPLATE = "Now turn that fact into one short search phrase: {{ turns.fact.text }}"
FACT = TurnConfig(prompt="State a fact of this passage.\n{{ passage.text }}")
TWO_TURNS = [
    TaskConfig(turns={"fact": FACT, "query": TurnConfig(prompt=SECOND_TEMPLATE)}),
    TaskConfig(turns={"fact": FACT, "query": TurnConfig(prompt="{{ passage.text }}", instruction=SECOND_TEMPLATE)}),
    TaskConfig(turns={"fact": FACT, "query": TurnConfig(prompt="Query:", demonstration=SECOND_TEMPLATE)}),
    TaskConfig(
        kind=PromptKind.chat,
        turns={"fact": FACT, "query": TurnConfig(messages=[{"role": "user", "content": SECOND_TEMPLATE}])},
    ),
]


@pytest.mark.parametrize("task", TWO_TURNS, ids=["prompt", "instruction", "demonstration", "messages"])
def test_a_query_that_repeats_the_template_of_a_later_turn_is_a_leak(
    task: TaskConfig, inputs: dict[str, Path], place: Place, tmp_path: Path
) -> None:
    samples = tmp_path / "two-turns"
    samples.mkdir()
    write_samples(samples, [("turn that fact into one short search phrase", "bees", "stop"), SAMPLES[2]])
    write_prompts(inputs["prompts"], task)
    table, _ = curate(make_config(), inputs | {"samples": samples}, place)
    assert table["reason"].to_pylist() == ["prompt_leak", ""]
    assert table["detail"].to_pylist() == ["100% from the instruction", ""]

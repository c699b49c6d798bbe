"""The prompts step with the bundled generator's own tokenizer: what it writes, counts and refuses."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from engine.artifacts.columns import PASSAGES, PROMPTS
from engine.artifacts.prompts import PromptsFolder
from engine.errors import UserError
from engine.models.tokenizer import load_tokenizer
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.prompts.step import plan_prompts
from engine.task.config import AttributeConfig, PromptKind, QuotaConfig, RangeConfig, TaskConfig
from tests.support.corpus import write_corpus

MODEL = "bundled:smollm2-135m-instruct"
WARNINGS: list[str] = []
NO_PLACE = SimpleNamespace(console=SimpleNamespace(warn=WARNINGS.append))  # this step asks nothing else of its place
TASK = {
    "demonstration": "Passage: {{ demonstration.document }}\nQuery: {{ demonstration.query }}\n\n",
    "prompt": "Passage: {{ passage.title }} {{ passage.text }}\nQuery:",
    "attributes": {"form": AttributeConfig({"question": 3.0, "keywords": 1.0}, from_demonstrations=True)},
}
DEMONSTRATIONS = {"collection": "", "seed": 0, "num_sets": 3, "per_prompt": 2}


def config(
    task: dict[str, object] | None = None, shown: dict[str, object] | None = None, **changes: object
) -> PromptsConfig:
    parts = {
        "task": TaskConfig(**{**TASK, **(task or {})}),  # type: ignore[arg-type]
        "demonstrations": DemonstrationsConfig(**{**DEMONSTRATIONS, **(shown or {})}),  # type: ignore[arg-type]
    }
    fixed = {"model": MODEL, "context_tokens": 2048, "max_tokens": 48, "seed": 0, "rounds": 1}
    return PromptsConfig(**{**fixed, **parts, **changes})  # type: ignore[arg-type]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    rows = [
        {
            "passage_id": f"d{i}",
            "document_id": f"d{i}",
            "title": f"Title {i}",
            "text": f"Some text number {i} " * (i + 1),
        }
        for i in range(30)
    ]
    pq.write_table(
        pa.Table.from_pylist([{"position": 0, "num_tokens": 4, **row} for row in rows], PASSAGES),
        folder / "passages.parquet",
    )
    return folder


Planner = Callable[..., tuple[Path, dict[str, object]]]


@pytest.fixture
def planned(documents: Path, tmp_path: Path) -> Planner:
    def plan(wanted: PromptsConfig) -> tuple[Path, dict[str, object]]:
        output = tmp_path / f"prompts{len(list(tmp_path.iterdir()))}"
        output.mkdir()
        return output, plan_prompts(wanted, {"documents": documents}, output, NO_PLACE)  # type: ignore[arg-type]

    return plan


def test_plans_every_passage_and_says_so(planned: Planner) -> None:
    output, record = planned(config(per_passage=2))
    plan = PromptsFolder(output).plan()
    assert plan.schema.names == [*PROMPTS.names, "condition_form"]
    assert sorted(path.name for path in output.iterdir()) == [
        "demonstration_pool.parquet",
        "demonstration_sets.parquet",
        "plan-00000.parquet",
        "task.json",
    ]
    forms = plan["condition_form"].to_pylist()
    assert record == {
        "planned": 60,
        "prefixes": len(set(plan["prefix"].to_pylist())),
        "prompt_tokens": sum(plan["prompt_tokens"].to_pylist()),
        "num_values": {"form": 2},
        "distribution": {"form": {name: round(forms.count(name) / 60, 4) for name in ("keywords", "question")}},
        "ended_early": "",
        "demonstrations": 48,
        "demonstration_sets": 6,
    }


WORDS = AttributeConfig(file="package:words/nouns.txt")
SIZES = AttributeConfig(range=RangeConfig(1, 3))


def test_the_record_names_the_most_frequent_values_only(planned: Planner) -> None:
    output, record = planned(config({"attributes": {"word": WORDS, "size": SIZES}}, per_passage=10))
    words, sizes = (PromptsFolder(output).plan()[f"condition_{name}"].to_pylist() for name in ("word", "size"))
    assert record["num_values"] == {"word": len(set(words)), "size": 3}
    shown = record["distribution"]
    assert isinstance(shown, dict)
    assert list(shown["size"]) == ["1", "2", "3"]
    assert shown["size"] == {size: round(sizes.count(size) / 300, 4) for size in "123"}
    assert len(shown["word"]) == 20
    assert list(shown["word"].values()) == sorted(shown["word"].values(), reverse=True)
    assert max(map(words.count, words)) / 300 == pytest.approx(max(shown["word"].values()), abs=1e-4)


def test_counts_of_very_many_values_stay_small(planned: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.prompts.planner._COUNTED_VALUES", 50)
    attributes = {"word": AttributeConfig({"often": 1000.0, **{str(number): 1.0 for number in range(60)}}, pick=[1, 2])}
    _, record = planned(config({"attributes": attributes}, per_passage=10))
    shown = record["distribution"]
    assert isinstance(shown, dict)
    assert next(iter(shown["word"])) == "often"
    assert shown["word"]["often"] > 0.3


def test_prefixes_follow_the_instruction_and_nothing_else(planned: Planner) -> None:
    attributes = {"word": WORDS, "size": SIZES}
    task = {"instruction": "Size {{ condition.size }}. ", "prompt": "{{ passage.text }} {{ condition.word }}:"}
    output, record = planned(config({**task, "attributes": attributes}, per_passage=10))
    plan, renderer = PromptsFolder(output).plan().to_pylist(), PromptsFolder(output).prompts().renderer()
    texts: dict[int, set[str]] = {}
    for row in plan:
        texts.setdefault(row["prefix"], set()).add(renderer.prefix(row["demonstration_set"], row["cell"]))
    assert all(len(found) == 1 for found in texts.values()), "one prefix, one text"
    assert len({text for found in texts.values() for text in found}) == len(texts) == record["prefixes"] == 9


def test_quotas_end_the_plan_and_the_record_says_so(planned: Planner) -> None:
    quotas = [QuotaConfig({"size": "1"}, 7), QuotaConfig({"size": ["2", 3]}, 9)]
    output, record = planned(config({"attributes": {"size": SIZES}, "quotas": quotas}))
    sizes = PromptsFolder(output).plan()["condition_size"].to_pylist()
    assert (sizes.count("1"), len(sizes)) == (7, 16)
    assert record["ended_early"] == "no cell was free after 16 of 30 samples"
    assert "16 of 30 samples" in WARNINGS[-1]
    with pytest.raises(UserError, match="the quotas let nothing be planned") as caught:
        planned(config({"attributes": {"size": SIZES}, "quotas": [QuotaConfig({"size": ["1", "2", "3"]}, 0)]}))
    assert caught.value.where == "task.quotas"


def test_exclusions_reach_the_plan(planned: Planner) -> None:
    output, _ = planned(config({"attributes": {"size": SIZES}, "exclude": [{"size": 2}]}))
    assert set(PromptsFolder(output).plan()["condition_size"].to_pylist()) == {"1", "3"}


def test_conditions_are_checked_when_a_run_is_configured() -> None:
    with pytest.raises(UserError, match="size is never '4'"):
        config({"attributes": {"size": SIZES}, "exclude": [{"size": 4}]})


def test_what_was_planned_is_rendered_again(planned: Planner) -> None:
    output, _ = planned(config())
    prompts = PromptsFolder(output).prompts()
    assert prompts.task == config().task
    assert [len(chosen) for chosen in prompts.sets] == [2] * 6
    assert [{d.conditions["form"] for d in chosen} for chosen in prompts.sets] == [{"question"}] * 3 + [
        {"keywords"}
    ] * 3
    text = prompts.renderer().completion({"title": "T", "text": "x"}, 4, "form=keywords")
    assert text.startswith(f"Passage: {prompts.sets[4][0].document}\nQuery: {prompts.sets[4][0].query}\n\n")
    assert text.endswith("\n\nPassage: T x\nQuery:")


def test_forecasts_the_tokens_of_each_prompt(planned: Planner, documents: Path) -> None:
    output, _ = planned(config())
    renderer, tokenizer = PromptsFolder(output).prompts().renderer(), load_tokenizer(MODEL)
    passages = {row["passage_id"]: row for row in pq.read_table(documents / "passages.parquet").to_pylist()}
    for row in PromptsFolder(output).plan().to_pylist():
        text = renderer.completion(passages[row["passage_id"]], row["demonstration_set"], row["cell"])
        assert abs(row["prompt_tokens"] - len(tokenizer.encode(text))) <= 4, "sums of counts, a few tokens off"


def test_forecasts_the_demonstrations_of_a_chat(planned: Planner) -> None:
    output, _ = planned(config({"kind": PromptKind.chat, "demonstration": ""}))
    renderer, tokenizer = PromptsFolder(output).prompts().renderer(), load_tokenizer(MODEL)
    row = PromptsFolder(output).plan().to_pylist()[0]
    number = int(row["passage_id"].removeprefix("d"))
    passage = {"title": f"Title {number}", "text": f"Some text number {number} " * (number + 1)}
    turns = renderer.messages(passage, row["demonstration_set"], row["cell"])
    assert row["prompt_tokens"] == pytest.approx(sum(len(tokenizer.encode(turn["content"])) for turn in turns), abs=12)


def test_long_demonstrations_are_cut(planned: Planner) -> None:
    output, _ = planned(config(shown={"max_document_tokens": 5}))
    tokenizer = load_tokenizer(MODEL)
    shown = [d.document for chosen in PromptsFolder(output).prompts().sets for d in chosen]
    assert all(text.endswith(" ...") for text in shown)
    assert {len(tokenizer.encode(text.removesuffix(" ..."))) for text in shown} == {5}


def test_takes_demonstrations_from_judgements(tmp_path: Path, planned: Planner) -> None:
    collection = str(write_corpus(tmp_path / "beir", 20))
    alone = {"from_qrels": 4, "collection": collection, "complete": False}
    output, record = planned(config(shown=alone))
    chosen = {d.query_id: d.document for shown in PromptsFolder(output).prompts().sets for d in shown}
    assert record["demonstrations"] == 4
    assert set(PromptsFolder(output).plan()["condition_form"].to_pylist()) == {""}, "judged queries carry no form"
    for query, document in chosen.items():
        number = int(query.removeprefix("q"))
        assert document == f"Title {number}. " + (f"Some text number {number} " * (number + 1)).strip()

    sets = PromptsFolder(planned(config(shown=alone | {"complete": True}))[0]).prompts().sets
    forms = {(bool(d.query_id), d.conditions["form"]) for shown in sets for d in shown}
    assert forms == {(True, "question"), (False, "keywords")}, "the general set shows what they lack"


def test_the_same_config_plans_the_same(planned: Planner) -> None:
    first, second, other = (planned(config(seed=seed))[0] for seed in (0, 0, 1))
    for name in ("plan-00000.parquet", "demonstration_sets.parquet"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert (first / "plan-00000.parquet").read_bytes() != (other / "plan-00000.parquet").read_bytes()


def test_a_prompt_without_room_is_refused_with_the_numbers(planned: Planner) -> None:
    with pytest.raises(UserError) as caught:
        planned(config(context_tokens=200, shown={"per_prompt": 5}))
    assert caught.value.where == "samples.context_tokens"
    assert "the answer up to 48" in caught.value.what
    assert "no prompt fits into 200 tokens" in caught.value.what
    assert "demonstrations.per_prompt" in caught.value.remedy


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
    planned: Planner, task: dict[str, object], where: str, what: str
) -> None:
    with pytest.raises(UserError) as caught:
        planned(config(task))
    assert caught.value.where == where
    assert what in caught.value.what


def test_demonstrations_that_may_be_a_slip_are_warned_of(planned: Planner, tmp_path: Path) -> None:
    WARNINGS.clear()
    planned(config())
    assert WARNINGS == [], "the task chooses by what the general set carries"
    own = {
        "attributes": {"tone": AttributeConfig({"dry": 1.0, "warm": 1.0})},
        "demonstration": "{{ condition.tone }}: {{ demonstration.query }}\n",
    }
    planned(config(own))
    assert [warning.split(",")[0] for warning in WARNINGS] == [
        "the demonstrations are bundled:general",
        "48 of 48 demonstrations have no 'tone'",
    ]
    WARNINGS.clear()
    file = tmp_path / "own.jsonl"
    file.write_text('{"query": "Hm.", "tone": "dry"}\n{"query": "Oh!", "tone": "war"}\n')
    planned(config(own, {"path": str(file)}))
    assert WARNINGS == ["demonstrations have tone='war', which is never drawn"]


@pytest.mark.parametrize(("name", "value"), [("per_passage", 0), ("max_samples", -1)])
def test_wrong_numbers_are_refused(name: str, value: int) -> None:
    with pytest.raises(UserError, match=f"{value} is too small") as caught:
        config(**{name: value})
    assert caught.value.where == f"prompts.{name}"


def write_model(folder: Path) -> None:
    """The smallest folder that passes for a model."""
    (folder / "config.json").write_text("{}")
    save_file({"weight": np.zeros(1, np.float32)}, folder / "model.safetensors")


def test_a_model_without_a_fast_tokenizer_is_named(tmp_path: Path) -> None:
    write_model(tmp_path)
    with pytest.raises(UserError, match=r"no tokenizer\.json") as caught:
        load_tokenizer(str(tmp_path))
    assert caught.value.where == f"samples.model={tmp_path}"


def test_counts_are_not_cut_by_the_tokenizer_file(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(MODEL)
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    write_model(tmp_path)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert len(load_tokenizer(str(tmp_path)).encode("one two three four five six seven")) == 7


def test_the_identity_is_the_tokenizer_not_its_name() -> None:
    own = config(max_tokens=99).identity()
    assert own == config().identity()
    assert own["model"] != MODEL
    assert config(context_tokens=1024).identity() != own

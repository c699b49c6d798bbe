"""What a plan is drawn from: sets, forecasts of prompts, room for the answer, and warnings before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.artifacts.documents import DocumentsFolder
from engine.errors import UserError
from engine.models.chat_template import ChatTemplate, read_chat_template
from engine.models.resolve import resolve_model
from engine.models.tokenizer import load_tokenizer
from engine.prompts.basis import gather_basis
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.config import Selection
from engine.prompts.planner import PlanInputs, gather_inputs
from engine.search.encoder import EncoderConfig
from engine.task.compiled import compile_task
from engine.task.config import AttributeConfig, PromptKind
from engine.task.render import Ask
from tests.support.places import printed, quiet_place
from tests.support.planning import MODEL, Plan, passage_text, prompts_config

Gather = Callable[[PromptsConfig], PlanInputs]


@pytest.fixture
def gather(documents: Path, tmp_path: Path) -> Gather:
    """Gathers the inputs of a first round, at a place without engines."""

    def begin(config: PromptsConfig) -> PlanInputs:
        basis = gather_basis(config, {"documents": documents})
        return gather_inputs(config, basis, DocumentsFolder(documents), quiet_place(tmp_path))

    return begin


def chat_text() -> ChatTemplate:
    """The chat template of the bundled generator."""
    template = read_chat_template(resolve_model(MODEL, key="samples.model"), where="samples.model")
    assert template is not None
    return template


def test_gathers_the_sets_of_every_value(gather: Gather) -> None:
    inputs = gather(prompts_config())
    assert inputs.passage_ids == [f"d{number}" for number in range(30)]
    assert (inputs.sets.per_stratum, inputs.sets.stratum) == (3, ["question", "keywords"])
    assert inputs.sets.prefix_names == [], "there is no instruction"
    assert inputs.drawer.conditions.stratum == "form"
    assert len(inputs.pool) == 48
    assert [len(chosen) for chosen in inputs.shown] == [2] * 6


def test_a_task_that_shows_no_demonstrations_has_no_pool(gather: Gather) -> None:
    inputs = gather(prompts_config({"demonstration": "", "attributes": {"form": AttributeConfig(["a", "b"])}}))
    assert (inputs.pool, list(inputs.shown)) == ([], [])
    assert inputs.sets.per_stratum == 1
    assert inputs.sets.demonstrations(np.zeros(2, np.int64)).to_pylist() == ["", ""]


@pytest.mark.parametrize("kind", [PromptKind.completion, PromptKind.chat])
def test_sets_are_cut_to_blocks_where_many_prompts_share_them(kind: PromptKind, gather: Gather) -> None:
    tokenizer = load_tokenizer(MODEL, key="samples.model")
    config = prompts_config({"kind": kind}, {"per_prompt": 5, "cache_block": 32})
    inputs = gather(config)
    renderer = compile_task(config.task, inputs.shown).first.with_template(chat_text())
    prefixes = [renderer.prefix(index, {"form": ""}) for index in range(6)]
    beyond = [len(tokenizer.encode(prefix)) % 32 for prefix in prefixes]
    assert sum(tokens <= 4 for tokens in beyond) >= 5, "a set that would lose too much stays"
    uncut = inputs.sets.shown
    assert uncut is not None
    assert uncut.of(inputs.pool) != inputs.shown


def test_nearest_demonstrations_are_chosen_for_each_passage(gather: Gather) -> None:
    encoder = EncoderConfig("bundled:all-minilm-l6-v2", "", "", 64)
    inputs = gather(prompts_config(shown={"select": Selection.nearest, "encoder": encoder}))
    assert inputs.sets.shown is not None
    of_passage = inputs.sets.shown.of_passage
    assert of_passage is not None
    assert of_passage.shape == (2, 30)
    assert inputs.sets.shown.of(inputs.pool) == inputs.shown, "few prompts share a set, so none is cut"


def test_forecasts_the_tokens_of_each_prompt(plan: Plan) -> None:
    folder, _ = plan(prompts_config())
    renderer, tokenizer = folder.prompts().compile().first, load_tokenizer(MODEL, key="samples.model")
    for row in folder.plan().to_pylist():
        number = int(row["passage_id"].removeprefix("d"))
        passage = {"title": f"Title {number}", "text": passage_text(number)}
        text = renderer.text(Ask(passage, row["demonstration_set"], {"form": row["condition_form"]}))
        assert abs(row["prompt_tokens"] - len(tokenizer.encode(text))) <= 4, "sums of counts, a few tokens off"


def test_forecasts_the_tokens_of_a_chat_as_the_model_reads_it(plan: Plan) -> None:
    folder, _ = plan(prompts_config({"kind": PromptKind.chat}))
    renderer, tokenizer = folder.prompts().compile().first, load_tokenizer(MODEL, key="samples.model")
    template = chat_text()
    for row in folder.plan().to_pylist():
        number = int(row["passage_id"].removeprefix("d"))
        passage = {"title": f"Title {number}", "text": passage_text(number)}
        messages = renderer.prompt(Ask(passage, row["demonstration_set"], {"form": row["condition_form"]}))
        assert not isinstance(messages, str)
        tokens = len(tokenizer.encode(template(messages)))
        assert abs(row["prompt_tokens"] - tokens) <= 4, "the tokens around messages are counted"


def test_a_prompt_without_room_is_refused_with_the_numbers(gather: Gather) -> None:
    with pytest.raises(UserError) as caught:
        gather(prompts_config(context_tokens=200, shown={"per_prompt": 5}))
    assert caught.value.where == "samples.context_tokens"
    assert "the answer up to 48" in caught.value.what
    assert "no prompt fits into 200 tokens" in caught.value.what
    assert "demonstrations.per_prompt" in caught.value.remedy


def warnings(config: PromptsConfig, documents: Path, folder: Path) -> list[str]:
    """What gathering warns of, a line each."""
    place = quiet_place(folder)
    gather_inputs(config, gather_basis(config, {"documents": documents}), DocumentsFolder(documents), place)
    return printed(place).splitlines()


def test_demonstrations_that_may_be_a_slip_are_warned_of(documents: Path, tmp_path: Path) -> None:
    assert warnings(prompts_config(), documents, tmp_path) == [], "the task chooses by what the general set carries"
    toned = {
        "attributes": {"tone": AttributeConfig({"dry": 1.0, "warm": 1.0})},
        "demonstration": "{{ condition.tone }}: {{ demonstration.query }}\n",
    }
    general, lacking = warnings(prompts_config(toned), documents, tmp_path)
    assert "the demonstrations are bundled:general" in general
    assert "48 of 48 demonstrations have no 'tone'" in lacking
    file = tmp_path / "toned.jsonl"
    file.write_text('{"query": "Hm.", "tone": "dry"}\n{"query": "Oh!", "tone": "war"}\n')
    [unknown] = warnings(prompts_config(toned, {"path": str(file)}), documents, tmp_path)
    assert "demonstrations have tone='war', which is never drawn" in unknown


def test_weights_of_a_later_round_are_those_that_conditions_are_drawn_by(documents: Path, tmp_path: Path) -> None:
    config = prompts_config()
    basis = gather_basis(config, {"documents": documents})
    only_keywords = {"form": AttributeConfig({"question": 0.0, "keywords": 1.0}, from_demonstrations=True)}
    basis = replace(basis, drawn=replace(basis.task, attributes=only_keywords))
    inputs = gather_inputs(config, basis, DocumentsFolder(documents), quiet_place(tmp_path))
    assert inputs.drawer.conditions.possible() == {"form": ["keywords"]}

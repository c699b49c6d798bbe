"""Lines about encoding say which model it is, in every step that encodes, and the words are in no fingerprint."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from engine.command_line.compose import load_config
from engine.pipeline.encoding import encoder_name, naming_encoder
from engine.run import wanted_steps
from engine.runtime.console import Console
from engine.runtime.identity import reachable
from engine.runtime.step import Step
from engine.search.embeddings import encode_passages_cached
from engine.search.encoder import EncoderConfig
from tests.support.places import quiet_place
from tests.support.training import write_documents


def named(corpus: Path, *overrides: str) -> dict[str, str]:
    """The names that the steps of a run give their encoders, by entry; of those that have one."""
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "samples=fake", *overrides])
    names = {step.entry: encoder_name(step) for step in wanted_steps(config)}
    return {entry: name for entry, name in names.items() if name}


def test_the_base_is_called_base_in_every_step_that_encodes(corpus: Path) -> None:
    everywhere = ["model.loss=kl", "model.teacher.by=fused", "prompts.per_passage=2", "samples.rounds=2"]
    names = named(corpus, *everywhere)
    assert set(names.values()) == {"base"}
    assert {"examples", "model", "teacher", "prompts"} <= set(names)
    assert "report" not in names, "it says so itself"


def test_another_encoder_is_called_by_its_name(corpus: Path) -> None:
    other = "bundled:all-minilm-l6-v2"
    assert named(corpus, f"examples.encoder.model={other}") == {"prompts": "base", "examples": other, "model": "base"}
    assert named(corpus, f"demonstrations.encoder.model={other}")["prompts"] == other
    assert named(corpus, f"model.retriever.model={other}")["model"] == other


def test_from_the_second_iteration_on_the_model_so_far_searches(corpus: Path) -> None:
    names = named(corpus, "model.iterations=2", "model.num_hard_negatives=1")
    models = [name for entry, name in names.items() if entry.endswith("model")]
    assert models == ["base", "tuned so far"]


def test_the_terminal_is_told_while_a_step_encodes(tmp_path: Path) -> None:
    documents, file = write_documents(tmp_path / "0123456789abcdef", 2), io.StringIO()
    encoder = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64)
    step = Step("examples", lambda *_: None, load_config(["experiment=demo"])[0].examples)
    place = replace(quiet_place(tmp_path), console=Console(RichConsole(file=file, width=100), quiet_seconds=0.0))
    encode_passages_cached(encoder, documents, naming_encoder(step, place))
    assert file.getvalue().splitlines()[-1].startswith("encoding   2/2 passages (base)")
    documents_step = replace(step, config=load_config(["experiment=demo"])[0].documents)
    assert naming_encoder(documents_step, place) is place


@pytest.mark.parametrize(
    "module", ["engine.examples.step", "engine.prompts.step", "training.step", "training.teachers.step"]
)
def test_no_name_is_in_the_fingerprint_of_what_encodes(module: str) -> None:
    assert "engine.pipeline.encoding" not in reachable(module)

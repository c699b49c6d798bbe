"""The experiments chunk_size and learning_curve: their steps, what they share with other runs, and a small run."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.pipeline.config import RunConfig, nouns_of
from engine.pipeline.experiments import chunk_sizes, learning_curve
from engine.pipeline.steps import steps
from engine.run import wanted_steps
from engine.runtime.step import Step
from eval.chunk_sizes.config import ChunkSizesConfig
from eval.chunk_sizes.figures import read_chunk_sizes
from eval.learning_curve.config import LearningCurveConfig
from tests.support.command_line import CommandLineHere


def composed(*overrides: str) -> RunConfig:
    return load_config([*overrides, "samples=fake"])[0]


def by_entry(config: RunConfig) -> dict[str, Step]:
    return {step.entry: step for step in steps(config)}


def test_chunk_sizes_cut_the_documents_again_and_train_nothing(corpus: Path) -> None:
    config = composed("experiment=chunk_size", f"collection={corpus}", "chunk_sizes.tokens=[64,512]")
    made = by_entry(config)
    assert list(made) == [
        *("documents", "prompts", "samples", "examples"),
        *(f"sizes/{size}/documents" for size in ("64-0", "64-8", "512-0", "512-64")),
        "chunk_sizes",
    ]
    assert made["sizes/512-64/documents"].fingerprint == made["documents"].fingerprint, "cut once"
    adapted = by_entry(composed("experiment=adapt", f"collection={corpus}", "prompts.max_samples=1000"))
    for noun in ("documents", "prompts", "samples", "examples"):
        assert made[noun].fingerprint == adapted[noun].fingerprint
    assert wanted_steps(config)[-1].noun == "chunk_sizes"
    assert [step.entry for step in chunk_sizes(config)] == list(made)


def test_a_learning_curve_shares_its_largest_model_with_an_adaptation(corpus: Path) -> None:
    config = composed("experiment=learning_curve", f"collection={corpus}", "learning_curve.shares=[0.5,1.0]")
    every = steps(config)
    made = {step.entry: step for step in every}
    models = [step for step in every if step.noun == "model"]
    assert len({model.fingerprint for model in models}) == len(models) == 6
    assert [step.entry for step in learning_curve(config)] == list(made)
    assert [step.entry for step in every if step.noun == "scores"][:2] == [
        "points/base/scores",
        "points/0.5-seed-0/scores",
    ]
    adapted = by_entry(composed("experiment=adapt", f"collection={corpus}"))
    assert made["points/1-seed-0/model"].fingerprint == adapted["model"].fingerprint
    assert made["examples"].fingerprint == adapted["examples"].fingerprint
    assert made["points/0.5/examples"].fingerprint != made["examples"].fingerprint
    other = by_entry(
        composed("experiment=learning_curve", f"collection={corpus}", "learning_curve.shares=[0.25,0.5,1]")
    )
    assert other["points/0.5-seed-1/scores"].fingerprint == made["points/0.5-seed-1/scores"].fingerprint


def test_a_run_is_of_one_kind() -> None:
    both = RunConfig(
        collection="x",
        chunk_sizes=ChunkSizesConfig([64]),
        learning_curve=LearningCurveConfig([1.0]),
        until="chunk_sizes",
    )
    with pytest.raises(UserError, match=r"chunk_sizes.tokens: is given beside learning_curve.shares"):
        wanted_steps(both)
    assert nouns_of(RunConfig(learning_curve=LearningCurveConfig([1.0])))[-1] == "learning_curve"
    with pytest.raises(UserError, match=r"until=model: no step is called 'model'"):
        wanted_steps(RunConfig(collection="x", chunk_sizes=ChunkSizesConfig([64]), until="model"))
    with pytest.raises(UserError, match=r"until=chunk_sizes: no step is called 'chunk_sizes'"):
        wanted_steps(RunConfig(collection="x", until="chunk_sizes"))


def test_a_small_comparison_of_sizes_runs_and_runs_again_for_free(
    synthmill_here: CommandLineHere, corpus: Path
) -> None:
    arguments = (
        "experiment=chunk_size",
        "samples=fake",
        "collection=corpus",
        "run_dir=run",
        "chunk_sizes.tokens=[16,64]",
        "chunk_sizes.overlaps=[0.25]",
        "report.latency_repetitions=0",
    )
    done = synthmill_here.run(*arguments)
    assert done.returncode == 0, done.stderr
    run = corpus.parent / "run"
    figures = read_chunk_sizes(run / "chunk_sizes" / "chunk_sizes.json")
    assert [size.name for size in figures.sizes] == ["16-4", "64-16"]
    assert figures.sizes[0].passages > figures.sizes[1].passages
    assert "run/chunk_sizes/chunk_sizes.html" in done.stdout
    assert (run / "sizes" / "16-4" / "documents" / "passages.parquet").is_file()
    again = synthmill_here.run(*arguments)
    assert again.stdout.count("unchanged:") == 7
    assert "nDCG@10 on" in again.stdout
